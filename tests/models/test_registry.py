"""The registry: finding, installing, promoting and rolling back, checked against a simple model too."""

import json
import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from midi.errors import UserError
from models import registry
from models.bundle import write_bundle
from models.package import pack

VERSIONS = ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"]


def make(folder: Path, name: str = "phrase", version: str = "1.0.0", value: float = 1.0) -> Path:
    fields = {
        "name": name,
        "version": version,
        "kinds": {"in": "latent", "out": "image"},
        "architecture": "gan",
        "licence": "Apache-2.0",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return write_bundle(folder, fields, {"w": torch.tensor([value])}, "card").path


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ANTIPHON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(registry, "shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path


def test_the_home_folder_can_be_moved(home, monkeypatch):
    assert registry.user_folder() == home / "home" / "models"
    monkeypatch.delenv("ANTIPHON_HOME")
    assert registry.user_folder().parent.name == "antiphon"


def test_install_find_list_remove(home):
    registry.install(make(home / "a"))
    registry.install(pack(make(home / "b", version="1.10.0"), home))
    assert registry.find("phrase") == home / "home" / "models" / "phrase" / "1.10.0"
    assert registry.find("phrase@1.0.0").name == "1.0.0"
    assert registry.find(home / "a") == home / "a"
    assert registry.find(str(home / "a")) == home / "a"
    first, second = registry.list_bundles()
    assert (first.version, first.is_current, second.version, second.is_current) == (
        "1.0.0",
        False,
        "1.10.0",
        True,
    )
    assert first.as_json()["kinds"] == {"in": "latent", "out": "image"}
    assert 0 < first.size_mb < 0.01
    with pytest.raises(UserError, match="several versions"):
        registry.remove("phrase")
    registry.remove("phrase@1.10.0")
    assert registry.find("phrase").name == "1.0.0"
    registry.remove("phrase")
    assert registry.list_bundles() == []


def test_users_version_shadows_the_shipped_one(home):
    make(home / "shipped" / "phrase" / "1.0.0", value=1.0)
    make(home / "shipped" / "phrase" / "1.1.0", version="1.1.0")
    assert registry.find("phrase") == home / "shipped" / "phrase" / "1.1.0"
    with pytest.raises(UserError, match="came with Antiphon") as caught:
        registry.remove("phrase@1.1.0")
    assert "came with" in caught.value.hint
    make(home / "home" / "models" / "phrase" / "1.1.0", version="1.1.0")
    assert registry.find("phrase").is_relative_to(home / "home")
    assert [b.is_shipped for b in registry.list_bundles()] == [True, False]


def test_a_candidate_waits_for_promotion(home):
    registry.install(make(home / "a"))
    registry.install(make(home / "b", version="2.0.0"), is_promoted=False)
    assert registry.current_version("phrase") == "1.0.0"
    registry.promote("phrase", "2.0.0")
    assert registry.current_version("phrase") == "2.0.0"
    assert registry.rollback("phrase") == "1.0.0"
    assert registry.current_version("phrase") == "1.0.0"
    assert [(h["action"], h["version"]) for h in registry.history("phrase")] == [
        ("promote", "1.0.0"),
        ("promote", "2.0.0"),
        ("rollback", "1.0.0"),
    ]
    with pytest.raises(UserError, match="no earlier version") as caught:
        registry.rollback("phrase")
    assert caught.value.exit_code == 1


def test_a_promotion_over_a_shipped_bundle_can_be_undone(home):
    make(home / "shipped" / "phrase" / "1.0.0")
    registry.install(make(home / "b", version="2.0.0"))
    assert registry.find("phrase").name == "2.0.0"
    assert registry.rollback("phrase") == "1.0.0"
    assert registry.find("phrase") == home / "shipped" / "phrase" / "1.0.0"


def test_installing_twice_changes_nothing_and_a_clash_is_refused(home):
    registry.install(make(home / "a"))
    registry.install(home / "a")
    with pytest.raises(UserError, match="Another bundle is installed as phrase@1"):
        registry.install(make(home / "other", value=2.0))
    assert not list(registry.user_folder().glob(".*"))


def test_damaged_bundles_are_listed_with_their_problem_and_never_promoted(home):
    registry.install(make(home / "a"))
    registry.install(make(home / "b", version="2.0.0"), is_promoted=False)
    (registry.find("phrase@2.0.0") / "bundle.json").write_text("{")
    assert [bool(info.problem) for info in registry.list_bundles()] == [False, True]
    with pytest.raises(UserError, match="JSON"):
        registry.promote("phrase", "2.0.0")
    assert registry.current_version("phrase") == "1.0.0"


def test_a_folder_under_a_false_name_is_pointed_out(home):
    make(home / "home" / "models" / "other" / "1.0.0")
    assert registry.list_bundles()[0].problem == "Its manifest says phrase@1.0.0."


@pytest.mark.parametrize("text", ["{", "[]", '{"current": ["x"]}', '{"current": "7.7.7", "earlier": 3}'])
def test_a_damaged_pointer_falls_back_to_the_highest_version(home, text):
    registry.install(make(home / "a"))
    (registry.user_folder() / "phrase" / "current.json").write_text(text)
    assert registry.find("phrase").name == "1.0.0"
    registry.install(make(home / "b", version="1.2.0"))
    assert registry.find("phrase").name == "1.2.0"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("phrse", "no bundle 'phrse'", "Did you mean phrase"),
        ("phrase@9.9.9", "no version 9.9.9", "It has 1.0.0"),
        ("phrase@../../x", "no version", "It has 1.0.0"),
        ("../phrase", "no bundle at", "list"),
        ("Phrase", "no bundle at", "list"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(home, name, message, hint):
    registry.install(make(home / "a"))
    with pytest.raises(UserError, match=message) as caught:
        registry.find(name)
    assert hint in caught.value.hint


def test_a_packed_file_has_to_be_installed_first(home):
    with pytest.raises(UserError, match="is packed"):
        registry.find(pack(make(home / "a"), home))
    with pytest.raises(UserError, match="no bundle at"):
        registry.install(home / "nowhere")


def test_export_gives_what_install_takes(home, monkeypatch):
    registry.install(make(home / "a"))
    file = registry.export("phrase", home)
    monkeypatch.setenv("ANTIPHON_HOME", str(home / "elsewhere"))
    assert registry.install(file).manifest.name == "phrase"
    assert json.loads((registry.user_folder() / "phrase" / "current.json").read_text())["current"] == "1.0.0"


class RegistryMachine(RuleBasedStateMachine):
    """Any order of installs, promotions, rollbacks and removals leaves a usable current version."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("ANTIPHON_HOME", str(self.root / "home"))
        self.patch.setattr(registry, "shipped_folder", lambda: self.root / "shipped")
        for version in VERSIONS:
            make(self.root / "source" / version, version=version)
        self.installed: set[str] = set()
        self.current = ""

    @rule(version=st.sampled_from(VERSIONS), is_promoted=st.booleans())
    def install(self, version, is_promoted):
        registry.install(self.root / "source" / version, is_promoted=is_promoted)
        if is_promoted or not self.installed:
            self.current = version
        self.installed.add(version)

    @precondition(lambda self: self.installed)
    @rule(data=st.data())
    def promote(self, data):
        self.current = data.draw(st.sampled_from(sorted(self.installed)))
        registry.promote("phrase", self.current)

    @precondition(lambda self: self.installed)
    @rule()
    def rollback(self):
        before = self.current
        try:
            self.current = registry.rollback("phrase")
        except UserError:
            return
        assert self.current != before

    @precondition(lambda self: len(self.installed - {self.current}) > 0)
    @rule(data=st.data())
    def remove_another(self, data):
        version = data.draw(st.sampled_from(sorted(self.installed - {self.current})))
        registry.remove(f"phrase@{version}")
        self.installed.remove(version)

    @invariant()
    def the_current_version_is_the_expected_one(self):
        if self.installed:
            assert registry.current_version("phrase") == self.current
            assert {info.version for info in registry.list_bundles()} == self.installed

    def teardown(self):
        self.patch.undo()
        shutil.rmtree(self.root)


RegistryMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
TestRegistryMachine = RegistryMachine.TestCase
