"""The Models screen, driven through the real window."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models import registry
from studio.jobs import JobState
from studio.live.deskview import ChooseModel, PlayTake, StopTake
from studio.live.planner import ModelHealth, ModelState
from studio.ui.play.demo import idle_view
from studio.ui.screens import models
from studio.ui.screens.jobwatch import JobWatch
from studio.ui.screens.models_detail import state_words
from studio.ui.screens.models_list import RULES_ROW, model_rows
from studio.ui.screens.models_shelf import Bundle, read_shelf
from studio.ui.theme import ALARM, GOOD
from tests.studio.ui.pilot import Pilot
from tests.studio.ui.screens_fakes import SHIPPED, FakeJobs, services_in


class Scene:
    """The screen; the home folder has an older version of the partner."""

    def __init__(self, folder: Path) -> None:
        shipped = registry.shipped_folder() / "partner" / SHIPPED
        older = folder / "models" / "partner" / "0.9.0"
        older.mkdir(parents=True)
        manifest = json.loads((shipped / "bundle.json").read_text()) | {"version": "0.9.0"}
        (older / "bundle.json").write_text(json.dumps(manifest))
        (older / "README.md").write_text("# partner 0.9.0\n\nAn older one.\n")
        self.services, self.jobs, self.saved = services_in(folder, 0)
        self.pilot = Pilot(screen="models", root=lambda app: models.build(app, self.services))
        self.pilot.desk.show(replace(idle_view(), model_name=f"partner@{SHIPPED}"))
        self.choose(f"partner@{SHIPPED}")

    @property
    def screen(self):
        return self.pilot.app.screen

    def choose(self, title: str) -> None:
        titles = [row.title for row in self.screen.rows]
        self.screen.side.list.select(titles.index(title), tells=True)
        self.pilot.frame()

    def last_toast(self) -> str:
        return self.pilot.app.toasts.shown[-1].sentence


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path))
    return Scene(tmp_path)


def test_partners_come_first_then_rules_then_what_cannot_play() -> None:
    rows = model_rows(read_shelf())
    kinds = [(row.is_usable, row.bundle is None) for row in rows]
    assert kinds == sorted(kinds, key=lambda kind: (not kind[0], kind[1]))
    assert RULES_ROW in rows


def test_the_current_version_stands_above_the_others() -> None:
    manifest = {"architecture": "event-rows", "licence": "MIT"}
    bundles = [
        Bundle("a", version, version == "1.0.0", False, Path(version), 1.0, manifest)
        for version in ("0.9.0", "1.0.0", "1.1.0-rc.1")
    ]
    rows = model_rows(bundles)
    assert [row.title for row in rows] == ["a@1.0.0", "a@1.1.0-rc.1", "a@0.9.0", "none"]
    assert [row.badge for row in rows] == ["current", "", "", ""]


def test_using_a_model_tells_the_desk_and_is_remembered(scene: Scene) -> None:
    assert not scene.screen.detail.use.is_enabled
    scene.choose("partner@0.9.0")
    scene.pilot.click("models.use")
    assert scene.pilot.commands[-1] == ChooseModel("partner@0.9.0")
    assert scene.saved[-1].model == "partner@0.9.0"
    scene.choose("none")
    scene.pilot.press("return")
    assert scene.pilot.commands[-1] == ChooseModel("none")
    assert "rules" in scene.last_toast()


def test_what_cannot_play_live_cannot_be_chosen(scene: Scene) -> None:
    scene.choose(f"chorales@{registry.current_version('chorales')}")
    assert not scene.screen.detail.use.is_enabled
    assert not scene.screen.detail.preview.is_visible
    scene.pilot.press("return")
    scene.pilot.press("space")
    assert not any(isinstance(command, ChooseModel) for command in scene.pilot.commands)
    assert scene.jobs.jobs == []


def test_a_preview_is_made_played_and_stopped(scene: Scene, tmp_path: Path) -> None:
    scene.pilot.click("models.preview")
    assert scene.jobs.last == ("models", "preview", f"partner@{SHIPPED}")
    take = tmp_path / "take.jsonl"
    scene.jobs.end({"take": str(take), "audio": "x.wav", "model": "partner", "is_cached": False})
    scene.pilot.frame()
    assert scene.pilot.commands[-1] == PlayTake(take)
    view = replace(idle_view(), take=replace(idle_view().take, playing=take))
    scene.pilot.desk.show(view)
    scene.pilot.frame()
    assert scene.screen.detail.preview.text == "Stop"
    scene.pilot.click("models.preview")
    assert scene.pilot.commands[-1] == StopTake()


def test_a_preview_that_is_being_made_is_not_begun_again(scene: Scene) -> None:
    for _ in range(3):
        scene.pilot.click("models.preview")
        scene.pilot.press("space")
    assert len(scene.jobs.jobs) == 1
    assert not scene.screen.detail.preview.is_enabled
    scene.choose("partner@0.9.0")
    assert scene.screen.detail.preview.is_enabled
    scene.pilot.click("models.preview")
    assert [job.argv[2] for job in scene.jobs.jobs] == [f"partner@{SHIPPED}", "partner@0.9.0"]
    scene.jobs.end(error="It failed.")
    scene.pilot.frame()
    scene.pilot.frame()
    assert scene.screen.detail.preview.is_enabled


def test_one_deed_at_a_time_for_each_target() -> None:
    jobs = FakeJobs()
    watch = JobWatch(jobs, lambda *_: None)
    again = ["takes", "try-again", "one", "--from-bar", "2", "--seed", "3"]
    assert watch.start("Again", again, lambda _: None)
    assert not watch.start("Again", [*again[:-1], "4"], lambda _: None), "another seed is no other deed"
    assert watch.start("Again", ["takes", "try-again", "two"], lambda _: None)
    export = ["takes", "export", "one", "--out", "x", "--kind"]
    assert watch.start("Export", [*export, "wav"], lambda _: None)
    assert watch.start("Export", [*export, "midi"], lambda _: None)
    assert not watch.start("Export", [*export, "wav"], lambda _: None)
    jobs.jobs[0] = replace(jobs.jobs[0], state=JobState.DONE, result={})
    watch.follow()
    assert watch.start("Again", again, lambda _: None)


def test_promote_roll_back_and_undo(scene: Scene, tmp_path: Path) -> None:
    assert not scene.screen.detail.roll_back.is_visible
    scene.choose("partner@0.9.0")
    scene.pilot.click("models.promote")
    assert scene.jobs.last == ("models", "promote", "partner", "0.9.0")
    pointer = {"current": "0.9.0", "earlier": [SHIPPED], "history": []}
    (tmp_path / "models" / "partner" / "current.json").write_text(json.dumps(pointer))
    scene.jobs.end({"action": "promoted", "name": "partner", "version": "0.9.0"})
    scene.pilot.frame()
    assert scene.last_toast() == "partner 0.9.0: promoted."
    assert scene.screen.row.bundle.is_current
    scene.pilot.click("models.rollback")
    assert scene.jobs.last == ("models", "rollback", "partner")
    scene.pilot.app.focus(None)
    scene.pilot.press("z", control=True)
    assert scene.jobs.last == ("models", "promote", "partner", SHIPPED)


def test_install_from_a_path_and_from_a_dropped_file(scene: Scene) -> None:
    import pygame

    scene.pilot.click("models.path")
    scene.screen.side.path.set_text('"/music/mine.antiphon" ')
    scene.pilot.click("models.install")
    assert scene.jobs.last == ("models", "install", "/music/mine.antiphon")
    pygame.event.post(pygame.event.Event(pygame.DROPFILE, file="/music/other.antiphon"))
    scene.pilot.frame()
    assert scene.jobs.last == ("models", "install", "/music/other.antiphon")
    scene.jobs.end(error="It is no bundle.", hint="Get it again.")
    scene.pilot.frame()
    assert scene.last_toast() == "It is no bundle."
    scene.screen.side.path.set_text("")
    count = len(scene.jobs.jobs)
    scene.pilot.click("models.install")
    assert len(scene.jobs.jobs) == count


def test_how_the_chosen_model_is() -> None:
    view = replace(idle_view(), model_name=f"partner@{SHIPPED}", model=ModelHealth(ModelState.READY))
    assert state_words(view, is_ours=True)[1] == GOOD
    assert state_words(view, is_ours=False)[0] == ""
    refused = ModelHealth(ModelState.REFUSED, "Its weights are damaged.", "Install it again.")
    words, color = state_words(replace(view, model=refused), is_ours=True)
    assert words == "Its weights are damaged. Install it again."
    assert color == ALARM
    assert state_words(replace(view, model_name="none"), is_ours=True)[0] == ""


def test_the_card_scrolls_where_it_is_higher_than_the_window(scene: Scene) -> None:
    scene.choose(f"partner@{SHIPPED}")
    body = scene.screen.detail.body
    top = body.rect.top
    scene.pilot.wheel("models.scroll", -3)
    assert body.rect.top < top
    assert body.height(400) > body.height(1000)
