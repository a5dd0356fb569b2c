"""The page: complete, safe, and alone."""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from studio.gallery.metadata import ModelMark, State, pack_styles, save_picture
from studio.gallery.page import entries_of, script_json, write_page
from tests.studio.htmlpage import Page

NASTY = """</script><script>alert(1)</script> "'&<!-- {{data}}"""


def fill(folder, n=6, **more):
    """A gallery of plain pictures, two models, the last picture without a seed."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for i in range(n):
        mark = ModelMark(name="garden" if i % 2 else "cave", version="1.0.0", sha256="ab" * 32)
        seed = {"seed": 7 + i} if i < n - 1 else {"expression": NASTY}
        state = State(model=mark, ws=pack_styles(np.full((2, 3), i, np.float32)), size=64, **seed, **more)
        save_picture(pictures / f"{i} #ä&.png", np.full((64, 64, 3), 40 * i, np.uint8), state)
    (pictures / "stranger.png").write_text("no picture")
    return write_page(folder, entries_of(folder, pictures), {"sheet": folder / "sheet 1.png"})


@pytest.fixture
def page(tmp_path):
    return Page(fill(tmp_path / "g").read_text(encoding="utf-8"))


def test_every_picture_is_on_the_page(page, tmp_path):
    sources = [unquote(image["src"]) for image in page.of("img") if "src" in image]
    assert len(sources) == 6
    assert all((tmp_path / "g" / source).is_file() for source in sources)
    data = json.loads(page.scripts[0])["pictures"]
    assert [unquote(row["file"]) for row in data] == sources
    indices = [int(figure["data-i"]) for figure in page.of("figure") if "data-i" in figure]
    assert indices == list(range(6))


def test_nothing_comes_from_elsewhere(page):
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attrs.get(name) or ""
            assert "//" not in value, (tag, value)
    text = " ".join(page.scripts)
    assert "http" not in text
    assert not any(attrs.get("src") for attrs in page.of("script"))
    assert page.of("link") == []


def test_names_cannot_break_out(page):
    assert len(page.scripts) == 2, "no script came in with a name"
    rows = json.loads(page.scripts[0])["pictures"]
    nasty = next(row for row in rows if row["seed"] is None)
    assert nasty["title"] == nasty["state"]["expression"] == NASTY
    assert [image["alt"] for image in page.of("img") if "src" in image].count(NASTY) == 1


def test_script_json_ends_no_element():
    text = script_json({"a": "</script><!--&\u2028\u2029", "b": ["\"'\\"]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028\u2029", "b": ["\"'\\"]}


def test_the_page_knows_models_and_sheets(page):
    assert sum(tag == "option" for tag, _ in page.tags) == 3 + 2
    assert "sheet%201.png" in [link.get("href") for link in page.of("a")]
    state = json.loads(page.scripts[0])["pictures"][0]["state"]
    assert {"model", "psi", "schema"} <= set(state)
    assert "ws" not in state


def test_the_same_pictures_give_the_same_page(tmp_path):
    assert fill(tmp_path / "a").read_bytes() == fill(tmp_path / "b").read_bytes()


DRIVER = Path(__file__).with_name("driver.js")


@pytest.mark.device
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_the_page_works_in_a_browser(tmp_path):
    path = fill(tmp_path / "g")
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("</body>", f"<script>{DRIVER.read_text()}</script></body>"), encoding="utf-8"
    )
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}", path.as_uri(),
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert '<pre id="said">' in found.stdout, found.stderr[-2000:]
    said = found.stdout.split('<pre id="said">')[1].split("</pre>")[0]
    said = json.loads(
        said.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    )
    assert len(said["all"]) == 6
    assert sorted(said["seeds"]) == ["seed 11", "seed 8", "seed 9"]
    assert said["count"] == "3 of 6"
    assert len(said["model"]) == 3
    assert (said["focus"], said["stored"]) == ("1", ["4"])
    assert said["rated"] == [said["all"][1]]
    assert said["open"]
    assert (said["first"], said["second"], said["last"]) == (said["all"][0], said["all"][1], said["all"][-1])
    assert said["where"].startswith("2 of 6")
    assert said["stars"] == 2
    assert json.loads(said["copied"])["model"]["version"] == "1.0.0"
    assert said["closed"]
    assert said["none"]


def test_the_template_is_where_the_program_looks():
    from studio.gallery import page as module

    text = Path(module.TEMPLATE).read_text(encoding="utf-8")
    assert text.count("{{data}}") == text.count("{{figures}}") == 1
