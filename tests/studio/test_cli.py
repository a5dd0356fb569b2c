"""The command line: options, JSON, exit codes, faults."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cyclopts import CycloptsError

import assets
import midi
from midi.errors import UserError
from midi.events import vocabulary_hash
from midi.note import Note, NoteArray, Part, Score
from midi.ports import PortList
from models.bundle import write_bundle
from models.sequence.loading import ARCHITECTURE
from models.sequence.network import EventModel, EventModelConfig, TrunkConfig
from studio import cli, render, terminal
from studio.terminal import Common, Report

ROOT = Path(__file__).resolve().parents[2]
HARBOR = str(assets.path("demos/harbor.mid"))

COMMANDS = [
    ["perform"], ["play"], ["ports"], ["doctor"], ["render"], ["train"], ["train", "music"], ["eval"],
    ["eval", "music"], ["eval", "chorales"], ["models"],
    ["gallery"], ["latent"], *(["latent", name] for name in ("save", "learn", "project", "list", "remove")),
    *(["models", name] for name in ("list", "show", "preview", "install", "export", "promote", "rollback",
                                    "remove")),
    ["takes"],
    *(["takes", name] for name in ("list", "show", "rename", "tag", "star", "trash", "trashed", "restore",
                                   "empty-trash", "export", "thumbnail", "verify", "try-again", "folder")),
]  # fmt: skip

CONTRACT = {
    "play": "--in --out --virtual --player --mode --model --tempo --clock --lookahead --commit --seconds",
    "perform": "--mode --model --seed --tempo --plan-latency-ms --out --part",
    "train music": "--name --parent --minutes --steps --resume",
    "eval music": "--songs --bars --split --jobs --plan-latency-ms --table --listen",
    "eval chorales": "--split --model",
    "render": "--out",
    "gallery": "--from --count --seed --psi --mix --bend --out --resume --jobs --loop",
    "latent": "--out",
}


@pytest.fixture
def bundle_free(monkeypatch, tmp_path):
    monkeypatch.setattr("models.registry.shipped_folder", lambda: tmp_path / "no-weights")


@pytest.fixture
def short(tmp_path):
    """Four bars of a melody."""
    notes = NoteArray.from_notes(Note(480 * i, 400, 60 + (i * 5) % 12, 80) for i in range(16))
    midi.write(tmp_path / "short.mid", Score((Part("MELODY", notes),)))
    return str(tmp_path / "short.mid")


@pytest.fixture
def silence(monkeypatch):
    """Sound files hold a second of silence: making the sound of a minute takes seconds."""
    monkeypatch.setattr(render, "audio_blocks", lambda *_: iter([np.zeros((48_000, 2), np.float32)]))


def run_json(capsys, *argv):
    code = cli.run([*argv, "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, json.loads(out)


def refused(capsys, *argv):
    """Exit code 2 and two lines on standard error, none on standard output."""
    code = cli.run(argv)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert 1 <= len(lines) <= 2, captured.err
    assert "Traceback" not in captured.err
    assert code == 2
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command, capsys):
    assert cli.run([*command, "--help"]) == 0
    assert "Usage: antiphon" in capsys.readouterr().out


@pytest.mark.parametrize("command", CONTRACT)
def test_the_agreed_options_are_there(command, capsys):
    cli.run([*command.split(), "--help"])
    page = capsys.readouterr().out
    missing = [option for option in CONTRACT[command].split() if not re.search(rf"{option}\b", page)]
    assert missing == []
    for option in ("--json", "--quiet", "--debug", "--device"):
        assert option in page


@pytest.mark.parametrize(
    "argv",
    [
        ["perfrom"],
        ["perform"],
        ["perform", HARBOR, "--tempo", "fast"],
        ["perform", HARBOR, "--tempo", "0"],
        ["perform", HARBOR, "--mode", "jazz"],
        ["perform", HARBOR, "--plan-latency-ms", "-1"],
        ["perform", HARBOR, "extra"],
        ["perform", HARBOR, "--nonsense"],
        ["play", "--clock", "sundial"],
        ["play", "--device", "abacus"],
        ["models", "lend", "partner"],
        ["train", "music", "."],
        ["eval", "music", "partner"],
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(argv, capsys):
    refused(capsys, *argv)


def test_wrong_use_with_json_is_one_object_too(capsys):
    code, data = run_json(capsys, "perform")
    assert code == 2
    assert set(data) == {"error", "hint"}


def test_ports_as_json(monkeypatch, capsys):
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList(("Keys",), ("Synth",), "alsa"))
    assert run_json(capsys, "ports") == (0, {"api": "alsa", "inputs": ["Keys"], "outputs": ["Synth"]})
    assert cli.run(["ports"]) == 0
    assert capsys.readouterr().out == "in   Keys\nout  Synth\n"


def test_no_midi_system_is_told_and_no_failure(monkeypatch, capsys):
    problem = UserError("No MIDI system answers.", "Start JACK.")
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList((), (), "none", problem))
    code, data = run_json(capsys, "ports")
    assert code == 0
    assert data["problem"] == problem.message
    assert cli.run(["ports"]) == 0
    assert "Start JACK." in capsys.readouterr().out


def test_globals_may_stand_before_the_command(monkeypatch, capsys):
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList((), (), "alsa"))
    assert cli.run(["--json", "--device", "cpu", "ports"]) == 0
    assert json.loads(capsys.readouterr().out)["api"] == "alsa"


def test_quiet_prints_nothing(monkeypatch, capsys):
    monkeypatch.setattr("midi.ports.list_ports", lambda: PortList(("Keys",), (), "alsa"))
    assert cli.run(["ports", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def stub(monkeypatch, outcome):
    """Let ``antiphon ports`` come out as told."""

    def stand_in():
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr("midi.ports.list_ports", stand_in)


@pytest.mark.parametrize(
    ("outcome", "code", "told"),
    [
        (UserError("Bad.", "Mend it."), 2, "Bad.\nMend it.\n"),
        (UserError("Bad."), 2, "Bad.\n"),
        (UserError("Nothing usable.", "Try.", exit_code=1), 1, "Nothing usable.\nTry.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (ZeroDivisionError("x"), 1, "ZeroDivisionError: x\n"),
    ],
)
def test_faults_become_exit_codes(monkeypatch, capsys, outcome, code, told):
    stub(monkeypatch, outcome)
    assert cli.run(["ports"]) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("outcome", [UserError("Bad."), ZeroDivisionError("x")])
def test_debug_adds_the_traceback(monkeypatch, capsys, outcome):
    stub(monkeypatch, outcome)
    cli.run(["ports", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_figures_without_a_value_are_null(capsys):
    terminal.show(
        Report({"nan": float("nan"), "path": Path("a"), "deep": [float("inf"), (1, None, True)]}), JSON
    )
    assert json.loads(capsys.readouterr().out) == {"nan": None, "path": "a", "deep": [None, [1, None, True]]}


JSON = Common(json=True)


def test_progress_is_only_for_terminals(monkeypatch):
    with terminal.progress(Common()) as advance:
        assert advance is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with terminal.progress(Common(quiet=True)) as advance:
        assert advance is None
    with terminal.progress(Common()) as advance:
        advance("music", 1, 2)
        advance("music", 2, 2)


# Bad input, through the command line.


@pytest.mark.parametrize(
    "content",
    [b"", b"Dear diary, today I practised.\n", b"MThd\x00\x00\x00\x06\x00\x01", b"RIFF" + bytes(100)],
    ids=["empty", "text", "truncated header", "another format"],
)
def test_what_is_no_midi_file_is_refused(content, tmp_path, capsys):
    (tmp_path / "song.mid").write_bytes(content)
    assert "song.mid" in refused(
        capsys, "perform", str(tmp_path / "song.mid"), "--out", str(tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused(tmp_path, capsys):
    with (tmp_path / "bomb.mid").open("wb") as file:
        file.write(Path(HARBOR).read_bytes())
        file.truncate(60_000_000)
    assert "bomb.mid" in refused(
        capsys, "perform", str(tmp_path / "bomb.mid"), "--out", str(tmp_path / "out")
    )


def test_a_cut_file_is_played_as_far_as_it_goes(tmp_path, capsys, bundle_free, silence):
    (tmp_path / "cut.mid").write_bytes(Path(HARBOR).read_bytes()[:300])
    code, data = run_json(capsys, "perform", str(tmp_path / "cut.mid"), "--out", str(tmp_path / "out"))
    assert code == 0
    assert data["player_notes"] > 3
    assert data["hanging_notes"] == 0
    assert data["repairs"]


def test_a_missing_file_and_a_bad_folder_are_refused(tmp_path, capsys, bundle_free):
    refused(capsys, "perform", str(tmp_path / "none.mid"))
    (tmp_path / "file").write_text("")
    refused(capsys, "perform", HARBOR, "--out", str(tmp_path / "file" / "out"))
    refused(capsys, "perform", HARBOR, "--part", "tuba")
    refused(capsys, "perform", str(tmp_path))


def test_a_bundle_that_is_missing_or_damaged_is_refused(tmp_path, capsys, bundle_free):
    assert "nobody" in refused(capsys, "perform", HARBOR, "--model", "nobody")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bundle.json").write_text('{"format": 1}')
    refused(capsys, "perform", HARBOR, "--model", str(tmp_path / "broken"))


@pytest.fixture
def tiny_bundle(tmp_path):
    """A partner with no training and little of anything, as a folder."""
    torch.manual_seed(0)
    config = EventModelConfig(TrunkConfig(width=32, layers=1, heads=2, context=256), head_width=32)
    fields = {
        "name": "tiny", "version": "1.0.0", "kinds": {"in": "notes", "out": "notes"},
        "architecture": ARCHITECTURE, "config": config.to_dict(), "vocabulary_hash": vocabulary_hash(),
        "parent": None, "data_digest": "0" * 64, "data": [], "licence": "CC0-1.0", "metrics": {},
    }  # fmt: skip
    folder = tmp_path / "tiny" / "1.0.0"
    write_bundle(folder, fields, EventModel(config).state_dict(), "# Tiny\n\nKnows nothing.\n")
    return folder


def test_a_bundle_plays_and_travels(tiny_bundle, short, tmp_path, capsys, bundle_free, silence):
    assert run_json(capsys, "models", "install", str(tiny_bundle))[0] == 0
    code, data = run_json(capsys, "perform", short, "--out", str(tmp_path / "out"), "--seed", "2")
    assert (code, data["model"]) == (0, "tiny@1.0.0")
    assert data["isr"] > 0, "the model's latency is measured, so a busy machine may be late"
    assert data["plan_latency_ms"] > 0
    assert data["plan_rows_per_s"] > 0
    (row,) = run_json(capsys, "models", "list")[1]
    assert {"name", "version", "kinds", "size_mb", "licence", "current"} <= set(row)
    assert set(row["kinds"]) == {"in", "out"}
    assert cli.run(["models", "show", "tiny"]) == 0
    assert "Knows nothing." in capsys.readouterr().out
    code, data = run_json(capsys, "models", "export", "tiny", "--out", str(tmp_path))
    assert code == 0
    assert Path(data["path"]).is_file()
    assert run_json(capsys, "models", "remove", "tiny")[0] == 0
    assert run_json(capsys, "models", "list") == (0, [])
    assert run_json(capsys, "models", "install", data["path"])[0] == 0
    assert cli.run(["models", "rollback", "tiny"]) == 1


@pytest.mark.parametrize("damage", ["weights", "vocabulary"])
def test_a_bundle_that_does_not_fit_is_refused(tiny_bundle, damage, tmp_path, capsys):
    if damage == "weights":
        weights = tiny_bundle / "model.safetensors"
        content = weights.read_bytes()
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        manifest = tiny_bundle / "bundle.json"
        manifest.write_text(manifest.read_text().replace(vocabulary_hash(), "0" * len(vocabulary_hash())))
    refused(capsys, "perform", HARBOR, "--model", str(tiny_bundle), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out" / "take.mid").exists()


def test_the_shelf_of_an_empty_home(capsys, bundle_free):
    assert run_json(capsys, "models", "list") == (0, [])
    assert cli.run(["models", "list"]) == 0
    assert capsys.readouterr().out == "No bundles yet.\n"
    for argv in (
        ["show", "x"],
        ["export", "x"],
        ["promote", "x", "1.0.0"],
        ["rollback", "x"],
        ["remove", "x"],
    ):
        refused(capsys, "models", *argv)
    refused(capsys, "models", "install", "/nowhere.antiphon")


def test_the_program_alone_performs_the_built_in_melody(capsys, bundle_free, silence, antiphon_home):
    assert cli.run([]) == 0
    out = capsys.readouterr().out
    audio = antiphon_home / "takes" / "welcome" / "take.wav"
    assert str(audio) in out
    assert audio.stat().st_size > 100_000
    assert "No pictures: " in out


def test_the_program_alone_makes_a_gallery_too(capsys, bundle_free, silence, antiphon_home, tmp_path):
    shutil.copytree(assets.path("weights/sunflowers"), tmp_path / "no-weights" / "sunflowers")
    code, report = run_json(capsys)
    assert code == 0
    made = antiphon_home / "takes" / "welcome" / "gallery"
    assert len(list((made / "pictures").glob("*.png"))) == report["gallery"]["count"] == 32
    assert report["gallery"]["page"] == str(made / "index.html")
    assert (made / "index.html").is_file()
    assert Path(report["outputs"]["midi"]).is_file()


# In a process of its own.


def antiphon(*argv, **more):
    command = [sys.executable, "-m", "studio", *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=50, **more)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
def test_a_full_disk_leaves_the_take_whole(short, tmp_path):
    import resource

    def fill_up():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    out = tmp_path / "out"
    found = antiphon("perform", short, "--model", "none", "--out", str(out), preexec_fn=fill_up)
    assert found.returncode == 2
    assert "take.wav" in found.stderr
    assert len(found.stderr.splitlines()) == 2
    assert sorted(path.name for path in out.iterdir()) == ["take.jsonl", "take.mid"]
    assert cli.run(["render", str(out), "--out", str(tmp_path / "again.mid"), "--quiet"]) == 0
    assert (tmp_path / "again.mid").read_bytes() == (out / "take.mid").read_bytes()


def test_starting_up_loads_nothing_heavy():
    code = (
        "import sys\nfrom studio import cli\ncli.run(['ports', '--quiet'])\n"
        "print([m for m in ('torch', 'pygame', 'soundfile', 'rich.progress') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert found.stdout == "[]\n", found.stderr


def test_as_a_module_it_is_the_same_program():
    found = antiphon("perform", "nowhere.mid")
    assert found.returncode == 2
    assert found.stdout == ""
    assert "nowhere.mid" in found.stderr
    assert antiphon("--version").stdout.strip() == "0.1.0"


# README.


def readme_blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_command_of_the_readme_is_understood():
    lines = [line.split("#")[0].split() for block in readme_blocks("sh") for line in block.splitlines()]
    commands = [line[1:] for line in lines if line[:1] == ["antiphon"]]
    assert len(commands) > 4
    for argv in commands:
        try:
            cli.app.parse_args(argv, exit_on_error=False, print_error=False)
        except CycloptsError as fault:
            pytest.fail(f"antiphon {' '.join(argv)}: {fault}")


def test_the_two_commands_of_the_readme_exist():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = re.findall(r"^make ([a-z-]+)", "".join(readme_blocks("sh")), re.MULTILINE)
    assert {"run", "test"} <= set(wanted) <= set(targets)


def test_files_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", text)
    named = re.findall(r"\bassets/[\w/.]+\w", text)
    assert [path for path in {*linked, *named} if not (ROOT / path).exists()] == []


def test_the_python_of_the_readme_runs(monkeypatch, tmp_path):
    (block,) = readme_blocks("python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 5
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README
    human, partner = midi.read(tmp_path / "duet.mid").parts
    assert human.notes == midi.read(ROOT / "assets/demos/harbor.mid").parts[0].notes
    assert len(partner.notes) > 32, "something in every bar"


@pytest.mark.parametrize("module", ["studio.ui.app", "studio.live.audio"])
def test_pygame_never_greets_on_standard_output(module):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYGAME")}
    found = subprocess.run(
        [sys.executable, "-c", f"import {module}, pygame"], capture_output=True, text=True, timeout=50,
        env=environment, check=True,
    )  # fmt: skip
    assert found.stdout == ""
