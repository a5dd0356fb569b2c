"""The library of takes: listing, words, trash, export, mini piano rolls."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midi.errors import UserError
from studio import takeindex
from studio.live.take import TAKE_NAME, TakeHeader, load_take
from studio.takes import Library, TakeWords
from studio.takewords import MAX_NAME, again_name, file_name, spoken_name
from tests.studio.takefolder import duet, note, write_take

ROOT = Path(__file__).resolve().parents[2]


def ids(library):
    return [info.id for info in library.takes()]


class TestListing:
    def test_a_take_is_listed_with_what_its_file_says(self, library, one):
        (info,) = library.takes()
        assert info.id == info.name == "one"
        assert info.path == one
        assert (info.player_notes, info.partner_notes) == (16, 4)
        assert info.length_s == pytest.approx(7.9)
        assert (info.bars, info.metre, info.bpm) == (4, (4, 4), 120.0)
        assert (info.model, info.mode, info.created) == ("fake@1.0.0", "accompany", "2026-01-02T03:04:05")
        assert (info.problem, info.is_torn, info.is_read) == ("", False, True)

    def test_newest_first_and_the_file_s_time_where_the_take_has_none(self, library):
        write_take(library.folder, "old", header=TakeHeader(created="2001-01-01T00:00:00"))
        write_take(library.folder, "new", header=TakeHeader(created=""))
        assert ids(library) == ["new", "old"]
        assert library.takes()[0].created > "2020"

    @pytest.mark.usefixtures("antiphon_home")
    def test_an_empty_or_missing_folder_has_no_takes(self):
        with Library() as library:
            assert library.takes() == []
            assert library.trashed() == []
            assert library.empty_trash() == 0

    @pytest.mark.usefixtures("one")
    def test_rescued_and_nested_takes_are_found_foreign_files_are_not(self, library):
        write_take(library.folder, "rescued/take_1.jsonl")
        write_take(library.folder, "album/first")
        (library.folder / "notes.txt").write_text("hello")
        (library.folder / "data.jsonl").write_text('{"kind": "else"}\n')
        (library.folder / "empty.jsonl").touch()
        (library.folder / "pictures").mkdir()
        (library.folder / "folder.jsonl").mkdir()
        write_take(library.folder, ".hidden/x")
        assert sorted(ids(library)) == ["album/first", "one", "rescued/take_1.jsonl"]
        assert sorted(ids(library)) == ["album/first", "one", "rescued/take_1.jsonl"]

    def test_a_torn_take_is_listed_as_torn(self, library, one):
        one.write_bytes(one.read_bytes()[:-9])
        (info,) = library.takes()
        assert info.is_torn
        assert info.problem == ""

    @pytest.mark.parametrize("line", [0, 3])
    def test_a_damaged_take_is_listed_with_its_problem(self, library, one, line):
        lines = one.read_bytes().split(b"\n")
        lines[line] = b"{broken"
        one.write_bytes(b"\n".join(lines))
        (info,) = library.takes()
        assert info.problem
        assert info.player_notes == 0
        assert library.rename("one", "hurt").name == "hurt"
        assert not library.thumbnail("one").any()

    @pytest.mark.usefixtures("one")
    def test_a_take_that_may_not_be_read_says_so(self, library, monkeypatch):
        def refuses(self):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuses)
        (info,) = library.takes()
        assert "Permission denied" in info.problem

    def test_a_changed_take_is_read_again_and_an_unchanged_one_is_not(self, library, one, monkeypatch):
        library.takes()
        write_take(library.folder, "two")
        looked_at = []
        real = load_take
        monkeypatch.setattr(
            "studio.takefacts.load_take", lambda path: looked_at.append(path.parent.name) or real(path)
        )
        library.takes()
        assert looked_at == ["two"]
        with one.open("ab") as file:
            file.write(
                b'{"time_s":20.0,"kind":"control","voice":"player","pitch":64,"velocity":0,"note_id":-1,"instrument":0}\n'
            )
        assert {info.id: info.length_s for info in library.takes()}["one"] == 20.0
        assert looked_at == ["two", "one"]

    def test_a_limited_look_reads_a_few_at_a_time(self, library):
        for number in range(5):
            write_take(library.folder, f"t{number}")
        assert [sum(info.is_read for info in library.takes(max_new=2)) for _ in range(3)] == [2, 4, 5]
        assert len(library.takes(max_new=0)) == 5

    def test_a_removed_take_is_gone_from_the_index_too(self, library, one):
        library.takes()
        one.unlink()
        assert library.takes() == []
        assert takeindex.TakeIndex(library._cache).known(str(library.folder)) == {}


class TestIndex:
    def file(self, home):
        return home / "cache" / takeindex.FILE_NAME

    @pytest.mark.usefixtures("one")
    def test_files_are_the_truth(self, antiphon_home, library):
        before = library.takes()
        library.close()
        self.file(antiphon_home).unlink()
        with Library() as again:
            assert again.takes() == before

    @pytest.mark.parametrize("rubbish", [b"no database at all, " * 100, b""])
    def test_a_damaged_index_is_begun_anew(self, antiphon_home, library, one, rubbish):
        before = library.takes()
        library.close()
        self.file(antiphon_home).write_bytes(rubbish)
        with Library() as again:
            assert again.takes() == before
        with Library() as again:
            assert again._index.one(str(one)) is not None

    @pytest.mark.usefixtures("antiphon_home", "one")
    def test_an_index_of_another_layout_is_begun_anew(self, library, monkeypatch):
        library.takes()
        library.close()
        monkeypatch.setattr(takeindex, "LAYOUT", 99)
        with Library() as again:
            assert again._index.known(str(again.folder)) == {}
            assert len(again.takes()) == 1

    @pytest.mark.usefixtures("one")
    def test_without_a_place_for_it_everything_works_from_memory(self, tmp_path, library):
        (tmp_path / "file").touch()
        with Library(library.folder, tmp_path / "file" / "cache") as again:
            assert ids(again) == ["one"]
            assert ids(again) == ["one"]
            assert again.thumbnail("one").any()

    @pytest.mark.usefixtures("one")
    def test_two_programs_at_once_do_not_stop_each_other(self, library):
        with Library() as other:
            other._index._db.execute("BEGIN EXCLUSIVE")
            assert ids(library) == ["one"]
            assert ids(library) == ["one"]

    def test_another_thread_may_take_over(self, library, one, monkeypatch):
        library.takes()
        monkeypatch.setattr("studio.takes.facts_of", lambda path: pytest.fail(f"{path} was read again"))
        found = []
        other = threading.Thread(target=lambda: found.extend(library.takes()))
        other.start()
        other.join()
        assert [info.path for info in found] == [one]


class TestFinding:
    def test_by_id_path_and_name(self, library, one):
        library.rename("one", "Evening")
        for text in ("one", "Evening", "evening ", str(one), str(one.parent), "one/take.jsonl"):
            assert library.find(text).id == "one"

    @pytest.mark.usefixtures("one")
    def test_a_wrong_name_is_a_sentence_with_the_nearest(self, library):
        with pytest.raises(UserError, match="There is no take 'on'") as fault:
            library.find("on")
        assert "'one'" in fault.value.hint

    @pytest.mark.usefixtures("one")
    def test_an_ambiguous_name_asks_which(self, library):
        write_take(library.folder, "two")
        for take in ("one", "two"):
            library.rename(take, "same")
        with pytest.raises(UserError, match="2 takes") as fault:
            library.find("same")
        assert "one" in fault.value.hint
        assert "two" in fault.value.hint

    @pytest.mark.parametrize("text", ["", ".", "..", "../takes/one", "/", "/etc/passwd", "\0", "~"])
    @pytest.mark.usefixtures("one")
    def test_nothing_outside_is_ever_found(self, library, text):
        try:
            assert library.find(text).id == "one"
            assert text == "../takes/one"
        except UserError:
            pass


class TestWords:
    def test_what_people_say_survives_and_the_recording_is_untouched(self, library, one):
        recording = one.read_bytes()
        library.rename("one", " Häfen /\n 🎹 ")
        library.tag("one", "slow", "late night", "Slow", "")
        library.star("one")
        library.untag("one", "SLOW", "never")
        with Library() as again:
            (info,) = again.takes()
        assert (info.name, info.tags, info.is_starred) == ("Häfen / 🎹", ("late night",), True)
        assert one.read_bytes() == recording
        assert library.star("one", is_starred=False).is_starred is False
        assert library.rename("one", "").name == "one"

    def test_keys_of_other_versions_are_kept(self, library, one):
        side = one.with_suffix(".json")
        side.write_text('{"rating": 5, "name": "x"}')
        library.star("one")
        kept = json.loads(side.read_text())
        assert kept | {"rating": 5, "name": "x", "tags": [], "is_starred": True} == kept

    @pytest.mark.parametrize("text", ["{", "[]", '{"name": 5}', '{"tags": {"a": 1}}', "\x00", '"x"'])
    def test_a_broken_file_of_words_is_told_and_set_aside_before_it_is_written(self, library, one, text):
        side = one.with_suffix(".json")
        side.write_text(text)
        assert library.takes()[0].problem
        assert library.rename("one", "new").name == "new"
        assert library.takes()[0].problem == ""
        (aside,) = one.parent.glob("take.json.broken-*")
        assert aside.read_text() == text

    @settings(max_examples=20)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("rename"), st.text(max_size=200)),
                st.tuples(st.just("tag"), st.text(max_size=60)),
                st.tuples(st.just("untag"), st.text(max_size=60)),
                st.tuples(st.just("star"), st.booleans()),
            ),
            max_size=6,
        )
    )
    def test_any_words_come_back_as_they_were_said(self, tmp_path_factory, changes):
        root = tmp_path_factory.mktemp("words")
        write_take(root, "one", note(0, 1, 60, 0))
        with Library(root, root / "cache") as library:
            for verb, value in changes:
                said = getattr(library, verb)("one", value)
            if changes:
                with Library(root, root / "other") as again:
                    (heard,) = again.takes()
                assert heard == said
                assert heard.problem == ""
                assert len({tag.casefold() for tag in heard.tags}) == len(heard.tags)
                assert heard.name

    @given(st.text(max_size=300))
    def test_names_are_one_line_and_file_names_fit_anywhere(self, text):
        name = spoken_name(text)
        assert spoken_name(name) == name
        assert len(name) <= 120
        assert "\n" not in name
        file = file_name(text)
        assert 0 < len(file.encode()) <= 106
        assert not set(file) & set('/\\:*?"<>|\0\n')
        assert file not in {".", ".."}
        assert TakeWords(name=name).name == name

    def test_a_folder_that_may_not_be_written_to_changes_nothing(self, library, one, monkeypatch):
        library.rename("one", "before")
        real = Path.open

        def refuses(self, mode="r", *rest, **more):
            if "x" in mode and self.parent == one.parent:
                raise PermissionError(13, "Permission denied")
            return real(self, mode, *rest, **more)

        monkeypatch.setattr(Path, "open", refuses)
        with pytest.raises(UserError, match="Permission denied"):
            library.rename("one", "after")
        assert library.takes()[0].name == "before"
        assert sorted(path.name for path in one.parent.iterdir()) == ["take.json", TAKE_NAME]


class TestTriesAgain:
    def test_a_try_is_named_after_the_first_take_and_its_bar(self):
        assert again_name("Harbor", 2, ()) == "Harbor, again from bar 2"
        assert again_name("Harbor, again from bar 2", 7, ()) == "Harbor, again from bar 7"

    def test_tries_from_the_same_bar_are_numbered(self):
        taken = ["Harbor", "Harbor, again from bar 2", "Harbor, again from bar 2 (2)"]
        assert [again_name(name, 2, taken) for name in taken] == ["Harbor, again from bar 2 (3)"] * 3

    def test_a_long_name_is_cut_but_its_bar_stays(self):
        name = again_name("x" * MAX_NAME, 3, ("x" * (MAX_NAME - 18) + ", again from bar 3",))
        assert len(name) <= MAX_NAME
        assert name.endswith("x, again from bar 3 (2)")


class TestTrash:
    def test_there_and_back_again(self, library, one):
        library.rename("one", "Evening")
        (one.parent / "take.mid").write_bytes(b"notes")
        (one.parent / "pianoroll.png").write_bytes(b"picture")
        before = {path.name: path.read_bytes() for path in one.parent.iterdir()}
        gone = library.trash("Evening")
        assert library.takes() == []
        assert not one.parent.exists()
        assert library.trashed() == [gone]
        assert (gone.id, gone.name, gone.path.is_file()) == ("one", "Evening", True)
        assert library.restore(gone.key).name == "Evening"
        assert {path.name: path.read_bytes() for path in one.parent.iterdir()} == before
        assert library.trashed() == []

    def test_what_is_not_ours_stays(self, library, one):
        (one.parent / "lyrics.txt").write_text("la la")
        write_take(library.folder, "one/inner")
        library.trash("one")
        assert (one.parent / "lyrics.txt").read_text() == "la la"
        assert ids(library) == ["one/inner"]
        assert library.empty_trash() == 1
        assert (one.parent / "lyrics.txt").exists()

    def test_loose_takes_go_with_their_own_files_only(self, library):
        for number in (1, 2):
            write_take(library.folder, f"rescued/take_{number}.jsonl")
            library.rename(f"rescued/take_{number}.jsonl", f"r{number}")
        gone = library.trash("r1")
        assert ids(library) == ["rescued/take_2.jsonl"]
        assert library.takes()[0].name == "r2"
        assert library.restore(gone.key).name == "r1"

    @pytest.mark.parametrize("place", ["one", "rescued/take_1.jsonl"])
    def test_a_place_taken_since_is_not_overwritten(self, library, place):
        write_take(library.folder, place, duet(2))
        library.rename(place, "first")
        gone = library.trash(place)
        write_take(library.folder, place, duet(1))
        back = library.restore(gone.key)
        assert back.id != place
        assert back.name == "first"
        assert {info.bars for info in library.takes()} == {1, 2}

    @pytest.mark.usefixtures("one")
    def test_emptying_counts_and_leaves_foreign_things(self, library):
        write_take(library.folder, "two")
        library.trash("one")
        library.trash("two")
        (library.folder / ".trash" / "mine").mkdir()
        (library.folder / ".trash" / "mine" / "x.txt").touch()
        assert library.empty_trash() == 2
        assert library.trashed() == []
        assert [path.name for path in (library.folder / ".trash").iterdir()] == ["mine"]

    @pytest.mark.usefixtures("one")
    def test_an_unknown_key_is_refused(self, library):
        library.trash("one")
        for key in ("nothing", "..", "../..", ""):
            with pytest.raises(UserError, match="in the trash"):
                library.restore(key)

    @pytest.mark.usefixtures("one")
    def test_a_note_that_points_elsewhere_is_not_followed(self, library, tmp_path):
        gone = library.trash("one")
        what = gone.path.parent.parent / "what.json"
        for place in ("../../evil/take.jsonl", str(tmp_path / "evil" / "take.jsonl")):
            what.write_text(json.dumps({"file": place, "name": "x", "when": "y"}))
            assert library.trashed() == []
            with pytest.raises(UserError):
                library.restore(gone.key)
        assert gone.path.is_file()

    @pytest.mark.parametrize("fails_at", [1, 2, 3])
    def test_a_move_that_fails_half_way_is_undone(self, library, one, monkeypatch, fails_at):
        (one.parent / "take.mid").write_bytes(b"notes")
        library.rename("one", "x")
        before = sorted(path.name for path in one.parent.iterdir())
        real, calls = Path.rename, []

        def fails(self, target):
            if self.name.startswith("take") and str(target).find(".trash") > 0:
                calls.append(self)
                if len(calls) == fails_at:
                    raise OSError(28, "No space left on device")
            return real(self, target)

        monkeypatch.setattr(Path, "rename", fails)
        with pytest.raises(UserError, match="No space left"):
            library.trash("one")
        assert len(calls) == fails_at
        assert sorted(path.name for path in one.parent.iterdir()) == before
        assert library.trashed() == []


def test_the_library_loads_neither_torch_nor_pygame():
    modules = "studio.takes, studio.jobs, studio.appsettings, studio.takeshelf, models.home"
    code = f"import sys, {modules}; print(sorted({{'torch', 'pygame'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"
