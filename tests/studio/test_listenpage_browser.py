"""The listening page in a browser: switching keeps the place, blind hides the names."""

from __future__ import annotations

import html
import json
import shutil
import subprocess

import pytest

from studio import listenpage
from studio.listenpage import VERSIONS, About
from tests.studio.test_listenpage import played

DRIVER = """
(async () => {
  const said = {};
  const cards = () => [...document.querySelectorAll(".card")];
  const [first, second] = cards(), other = cards()[4];
  const time = (card) => card.querySelector("audio").currentTime;
  for (const card of [first, second]) await new Promise((done) => {
    const sound = card.querySelector("audio");
    sound.onloadedmetadata = done;
    sound.load();
  });
  const roll = first.querySelector(".roll"), box = roll.getBoundingClientRect();
  const at = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 9 };
  roll.dispatchEvent(new MouseEvent("click", at));
  said.middle = time(first) / Number(first.dataset.seconds);
  second.querySelector(".play").click();
  said.same = time(second);
  said.playing = cards().filter((card) => card.classList.contains("on")).map((card) => card.dataset.kind);
  other.querySelector(".play").click();
  said.elsewhere = time(other);
  other.querySelector(".play").click();
  said.none = document.querySelectorAll(".card.on").length;
  const names = () => [...document.querySelectorAll(".song:first-of-type h3")].map((h) => h.textContent);
  document.getElementById("blind").click();
  said.blind = names();
  said.hidden = getComputedStyle(document.querySelector(".card .figures")).visibility;
  document.querySelector(".card h3").click();
  said.told = names()[0];
  document.getElementById("blind").click();
  said.names = names();
  const pre = document.createElement("pre");
  pre.id = "said"; pre.textContent = JSON.stringify(said);
  document.body.append(pre);
})();
"""


@pytest.mark.device
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_the_page_works_in_a_browser(tmp_path):
    out = tmp_path / "listen"
    listenpage.claim(out)
    page = listenpage.write_listening(
        out, played(), About("partner", "songs", "test", 0), jobs=1, tell=lambda *_: None
    )
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", f"<script>{DRIVER}</script></body>"), encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom",
        "--autoplay-policy=no-user-gesture-required", "--mute-audio",
        f"--user-data-dir={tmp_path / 'profile'}", page.as_uri(),
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert '<pre id="said">' in found.stdout, found.stderr[-2000:]
    said = json.loads(html.unescape(found.stdout.split('<pre id="said">')[1].split("</pre>")[0]))
    assert said["middle"] == pytest.approx(0.5, abs=0.02)
    assert said["same"] == pytest.approx(1.0, abs=0.3)
    assert said["playing"] == ["truth"]
    assert said["elsewhere"] == 0
    assert said["none"] == 0
    assert said["blind"] == [f"Version {letter}" for letter in "ABCD"]
    assert said["hidden"] == "hidden"
    assert said["told"] in VERSIONS.values()
    assert said["names"] == list(VERSIONS.values())
