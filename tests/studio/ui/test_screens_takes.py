"""The Takes screen, driven through the real window: every control, undo, playback, jobs, empty states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.live.deskview import PlayTake, StopTake
from studio.ui.play.demo import idle_view
from studio.ui.screens import takes
from studio.ui.screens.takes_demo import DEMO
from studio.ui.screens.takes_detail import detail_layout
from studio.ui.screens.takes_picture import PictureNote
from studio.ui.theme import PARTNER
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.screens_fakes import services_in


class Scene:
    """The screen with three takes, all read."""

    def __init__(self, folder: Path, count: int = 3, size: tuple[int, int] = (1280, 800)) -> None:
        self.services, self.jobs, _ = services_in(folder, count)
        self.pilot = Pilot(size, screen="takes", root=lambda app: takes.build(app, self.services))
        self.pilot.desk.show(idle_view())
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            self.pilot.frame(0.75)

    @property
    def screen(self):
        return self.pilot.app.screen

    @property
    def take(self):
        return self.screen.shelf.current

    def toasts(self) -> list[str]:
        return [toast.sentence for toast in self.pilot.app.toasts.shown]

    def names(self) -> list[str]:
        return [take.name for take in self.screen.shelf.shown]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    return Scene(tmp_path)


def test_the_newest_take_is_opened_and_drawn(scene: Scene) -> None:
    assert scene.take.name == DEMO[0][0]
    picture = scene.screen.detail.roll.picture
    assert picture is not None
    assert picture.n_bars == scene.take.bars
    assert len(picture.notes) == scene.take.player_notes + scene.take.partner_notes


def test_mini_rolls_turn_up_a_few_a_frame(tmp_path: Path) -> None:
    scene = Scene(tmp_path, count=7)
    for _ in range(8):
        scene.pilot.frame()
    assert len(scene.screen.shelf._thumbnails) == 7
    assert not scene.screen.shelf.lacks_thumbnails
    assert scene.pilot.frame() == []


def test_an_empty_shelf_invites_to_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    scene = Scene(tmp_path, count=0)
    assert scene.screen.nothing.is_visible
    assert not scene.screen.side.is_visible
    scene.pilot.click("takes.none.play")
    assert scene.pilot.state.screen == "play"


def test_play_stop_and_seek(scene: Scene) -> None:
    pilot, path = scene.pilot, scene.take.path
    pilot.click("takes.play")
    assert pilot.commands[-1] == PlayTake(path, 0.0)
    playing = replace(idle_view().take, playing=path, position_s=4.0, duration_s=60.0)
    pilot.desk.show(replace(idle_view(), take=playing))
    pilot.frame()
    roll = scene.screen.detail.roll
    assert roll.cursor_s == 4.0
    assert scene.screen.detail.play_button.text == "Stop"
    pilot.click((roll.plane.left + roll.plane.width // 2, roll.plane.centery))
    sought = pilot.commands[-1]
    assert isinstance(sought, PlayTake)
    assert sought.from_s == pytest.approx(roll.second_at(roll.plane.left + roll.plane.width // 2))
    pilot.click("takes.play")
    assert pilot.commands[-1] == StopTake()


def test_the_space_bar_plays_and_arrows_choose_bars(scene: Scene) -> None:
    pilot, roll = scene.pilot, scene.screen.detail.roll
    pilot.press("space")
    assert isinstance(pilot.commands[-1], PlayTake)
    pilot.app.focus(roll)
    pilot.press("right")
    pilot.press("right")
    assert roll.chosen_bar == 3
    pilot.press("return")
    assert pilot.commands[-1].from_s == pytest.approx(roll.picture.start_s(3))
    pilot.press("end")
    assert roll.chosen_bar == roll.picture.n_bars
    pilot.press("home")
    assert (roll.chosen_bar, roll.first_bar) == (1, 1)


def test_a_playing_take_is_followed_page_by_page(scene: Scene) -> None:
    roll = scene.screen.detail.roll
    late_s = roll.picture.start_s(roll.picture.n_bars)
    roll.move_cursor(late_s, is_playing=True)
    assert roll.first_bar > 1
    assert roll.first_bar <= roll.picture.bar_at(late_s) < roll.first_bar + roll._n_shown()
    scene.pilot.wheel("takes.roll", 60)
    assert roll.first_bar == 1


def test_the_partner_tries_again_from_the_chosen_bar(scene: Scene) -> None:
    pilot, jobs = scene.pilot, scene.jobs
    first = scene.take
    pilot.app.focus(scene.screen.detail.roll)
    pilot.press("right")
    seed = round(scene.screen.detail.seed.value)
    pilot.click("takes.again")
    assert jobs.last == ("takes", "try-again", first.id, "--from-bar", "2", "--seed", str(seed))
    assert scene.screen.detail.seed.value == seed + 1
    pilot.frame()
    assert scene.screen.detail.progress.is_visible
    other = next(take for take in scene.screen.shelf.takes if take.id != first.id)
    jobs.end({"id": other.id, "path": str(other.path)})
    pilot.frame()
    assert scene.take.id == other.id
    assert not scene.screen.detail.progress.is_visible
    assert any("anew" in words for words in scene.toasts())


def test_a_failed_job_says_what_to_do(scene: Scene) -> None:
    scene.pilot.click("takes.again")
    scene.jobs.end(error="The partner is gone.", hint="Choose another in Models.")
    scene.pilot.frame()
    toast = scene.pilot.app.toasts.shown[-1]
    assert (toast.sentence, toast.hint, toast.is_fault) == (
        "The partner is gone.", "Choose another in Models.", True,
    )  # fmt: skip


def test_a_running_job_can_be_cancelled(scene: Scene) -> None:
    scene.pilot.click("takes.again")
    scene.pilot.frame()
    scene.pilot.click("takes.cancel")
    assert scene.jobs.cancelled == [1]


def test_export_goes_to_the_exports_folder_and_says_so(scene: Scene, tmp_path: Path) -> None:
    scene.pilot.press("e", control=True)
    scene.pilot.press("down")
    scene.pilot.press("down")
    scene.pilot.press("return")
    folder = tmp_path / "exports"
    argv = ("takes", "export", scene.take.id, "--out", str(folder), "--kind", "wav")
    assert scene.jobs.last == argv
    assert folder.is_dir()
    scene.jobs.end({"out": str(folder / "Harbor.wav")})
    scene.pilot.frame()
    toast = scene.pilot.app.toasts.shown[-1]
    assert toast.sentence == "Harbor.wav is written."
    assert str(folder) in toast.hint


def test_a_name_is_changed_in_place_and_back_by_undo(scene: Scene) -> None:
    before = scene.take.name
    scene.pilot.press("f2")
    scene.pilot.type("dusk")
    scene.pilot.press("return")
    scene.settle()
    assert scene.take.name == "dusk"
    scene.pilot.press("z", control=True)
    scene.settle()
    assert scene.take.name == before


def test_escape_leaves_the_name_and_a_click_elsewhere_keeps_it(scene: Scene) -> None:
    before = scene.take.name
    scene.pilot.click("takes.name.shown")
    scene.pilot.type("x")
    scene.pilot.press("escape")
    assert scene.take.name == before
    assert not scene.screen.detail.name_line.is_editing
    scene.pilot.click("takes.name.shown")
    scene.pilot.type("kept")
    scene.pilot.click("takes.roll")
    scene.settle()
    assert scene.take.name == "kept"


def test_stars_and_tags(scene: Scene) -> None:
    pilot = scene.pilot
    was_starred = scene.take.is_starred
    pilot.click("takes.star")
    scene.settle()
    assert scene.take.is_starred is not was_starred
    pilot.click("takes.tags.field")
    pilot.type("blue")
    pilot.press("return")
    scene.settle()
    assert "blue" in scene.take.tags
    pilot.click("takes.tags.blue")
    scene.settle()
    assert "blue" not in scene.take.tags
    pilot.app.focus(None)
    pilot.press("z", control=True)
    scene.settle()
    assert "blue" in scene.take.tags


def test_delete_goes_to_the_trash_and_control_z_brings_it_back(scene: Scene) -> None:
    gone = scene.take
    scene.pilot.press("delete")
    scene.settle()
    assert gone.name not in scene.names()
    assert scene.take.id != gone.id
    assert not gone.path.exists()
    toast = scene.pilot.app.toasts.shown[-1]
    assert gone.name in toast.sentence
    assert "Ctrl+Z" in toast.hint
    scene.pilot.press("z", control=True)
    scene.settle()
    assert scene.take.name == gone.name
    scene.pilot.press("z", control=True, shift=True)
    scene.settle()
    assert gone.name not in scene.names()


def test_search_star_filter_tag_and_order(scene: Scene) -> None:
    pilot = scene.pilot
    pilot.press("f", control=True)
    pilot.type("waltz")
    scene.settle()
    assert scene.names() == ["Two-hand waltz idea"]
    pilot.type("zzz")
    scene.settle()
    assert scene.names() == []
    assert scene.screen.side.list.empty
    assert not scene.screen.detail.is_visible
    pilot.click("takes.blank.clear")
    scene.settle()
    assert len(scene.names()) == 3
    assert scene.screen.detail.is_visible
    pilot.press("f", control=True)
    pilot.type("waltz")
    pilot.press("escape")
    pilot.press("escape")
    scene.settle()
    assert len(scene.names()) == 3
    pilot.click("takes.starred")
    scene.settle()
    assert scene.names() == ["Harbor, late"]
    pilot.click("takes.starred")
    scene.screen.side.tag.choose("waltz")
    scene.settle()
    assert scene.names() == ["Two-hand waltz idea"]
    scene.screen.side.tag.choose("All tags")
    scene.screen.side.sort.choose("Longest first")
    scene.settle()
    lengths = [take.length_s for take in scene.screen.shelf.shown]
    assert lengths == sorted(lengths, reverse=True)


def test_the_list_is_walked_by_arrow_keys(scene: Scene) -> None:
    scene.pilot.press("down")
    assert scene.take.name == scene.names()[1]
    scene.pilot.click("takes.list")
    scene.pilot.press("up")
    assert scene.take.name in scene.names()


def test_a_damaged_take_says_so_and_can_only_be_deleted(tmp_path: Path) -> None:
    scene = Scene(tmp_path, count=1)
    path = scene.take.path
    path.write_bytes(path.read_bytes()[:400] + b"\n{broken\n{}\n")
    scene.settle()
    assert scene.screen.detail.problem
    assert not scene.screen.detail.play_button.is_enabled
    assert not scene.screen.detail.again.is_enabled
    scene.pilot.press("space")
    assert not any(isinstance(command, PlayTake) for command in scene.pilot.commands)
    scene.pilot.click("takes.trash")
    scene.settle()
    assert scene.screen.nothing.is_visible


@pytest.mark.parametrize(("width", "height", "scale"), [(952, 640, 1), (1208, 800, 1), (7536, 4320, 2)])
def test_parts_of_a_take_do_not_overlap(width: int, height: int, scale: int) -> None:
    import pygame

    lay = detail_layout(pygame.Rect(0, 0, round(width * 0.69), height), scale)
    parts = [lay.name, lay.buttons, lay.facts, lay.tags, lay.roll, lay.transport, lay.again]
    assert all(part.collidelist(parts[:at]) == -1 for at, part in enumerate(parts))
    assert lay.again.bottom <= height
    assert lay.roll.height > 150 * scale


@pytest.mark.parametrize(
    ("matches", "last_time", "word", "is_fault"),
    [
        ({"take.wav": True}, None, "bit for bit", False), ({}, True, "bit for bit", False),
        ({}, None, "remembered", False), ({"take.wav": False}, True, "another sound", True),
        ({}, False, "different", True),
    ],
)  # fmt: skip
def test_a_take_is_verified_from_the_export_menu(
    scene: Scene, matches: dict[str, bool], last_time: bool | None, word: str, is_fault: bool
) -> None:
    scene.pilot.press("e", control=True)
    scene.pilot.press("up")
    scene.pilot.press("return")
    assert scene.jobs.last == ("takes", "verify", scene.take.id)
    scene.jobs.end({"sha256": "00", "seconds": 1.0, "matches": matches, "last_time": last_time})
    scene.pilot.frame()
    toast = scene.pilot.app.toasts.shown[-1]
    assert word in toast.sentence
    assert toast.is_fault is is_fault


def test_the_trash_is_opened_and_a_take_brought_back(scene: Scene) -> None:
    first, second = scene.screen.shelf.shown[:2]
    for _ in range(2):
        scene.pilot.press("delete")
        scene.settle()
    scene.pilot.click("takes.side.trash")
    dialog = scene.pilot.app.popups[-1]
    assert [each.name for each in dialog.trashed] == [second.name, first.name]
    scene.pilot.frame()
    scene.pilot.press("down")
    scene.pilot.click("takes.trashed-confirm")
    scene.settle()
    assert not scene.pilot.app.popups
    assert scene.take.name == first.name
    assert second.name not in scene.names()
    assert any("is back" in words for words in scene.toasts())


def test_an_empty_trash_says_so_and_closes(scene: Scene) -> None:
    scene.pilot.click("takes.side.trash")
    scene.pilot.frame()
    assert not scene.pilot.app.popups[-1].confirm.is_visible
    scene.pilot.press("escape")
    assert not scene.pilot.app.popups


def test_a_take_that_cannot_be_brought_back_is_a_sentence(scene: Scene) -> None:
    scene.pilot.press("delete")
    scene.settle()
    scene.pilot.click("takes.side.trash")
    gone = scene.pilot.app.popups[-1].trashed[0]
    scene.services.library.empty_trash()
    scene.pilot.press("return")
    assert scene.pilot.app.toasts.shown[-1].is_fault
    assert gone.key in scene.toasts()[-1]


def test_when_every_take_is_deleted_the_trash_is_still_there(scene: Scene) -> None:
    assert not scene.screen.nothing.trash.is_visible
    while scene.screen.shelf.takes:
        scene.pilot.press("delete")
        scene.settle()
    scene.pilot.click("takes.none.trash")
    scene.pilot.frame()
    scene.pilot.press("return")
    scene.settle()
    assert len(scene.names()) == 1


def test_drums_have_a_lane_of_their_own_below_the_lowest_note(scene: Scene) -> None:
    roll = scene.screen.detail.roll
    assert roll.picture.has_drums
    assert roll.drums.top == roll.plane.bottom
    assert roll.drums.height > 0
    assert roll._lane(roll.picture.low_pitch)[1] == roll.plane.height
    without = replace(roll.picture, notes=tuple(note for note in roll.picture.notes if not note.is_drum))
    height = roll.plane.height
    roll.show(without)
    assert roll.drums.height == 0
    assert roll.plane.height > height


def test_drums_are_drawn_in_their_lane_only(scene: Scene) -> None:
    roll = scene.screen.detail.roll
    drums = replace(roll.picture, notes=(PictureNote(0.5, 0.6, 36, 127, is_player=False, is_drum=True),))
    roll.show(drums)
    scene.pilot.frame()
    surface, x = scene.pilot.window.surface, roll._x_of(0.5)
    lane = {surface.get_at((x, y))[:3] for y in range(roll.drums.top + 1, roll.drums.bottom)}
    plane = {surface.get_at((x, y))[:3] for y in range(roll.plane.top, roll.plane.bottom)}
    assert PARTNER in lane
    assert PARTNER not in plane
