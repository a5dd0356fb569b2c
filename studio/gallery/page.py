"""The page of a gallery: one HTML file that works from disk, with nothing from anywhere else."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from midi.errors import UserError
from midi.files import write_bytes
from studio.gallery.metadata import State, Styles, read_state

TEMPLATE = Path(__file__).with_name("page.html")
PAGE = "index.html"
PIXELS_BELOW_PX = 48
"""Pictures smaller than this are shown with square pixels."""

LINKS = {
    "sheet": "Contact sheet",
    "sheet_pdf": "Contact sheet to print",
    "latents": "Latent sheet",
    "directions": "Directions",
    "loop": "Loop as GIF",
    "loop_mp4": "Loop as video",
}


@dataclass(frozen=True)
class Entry:
    """A picture of a gallery.

    Attributes:
        file: Path from the gallery's folder, with ``/``.
        state: Its state without the styles, which the file itself has.
        digest: Of the whole state.
    """

    file: str
    state: State
    digest: str

    @property
    def command(self) -> str:
        """What makes it again."""
        return f"antiphon gallery --from {shlex.quote(self.file)}"


def entries_of(out: Path, folder: Path) -> list[Entry]:
    """Every picture in a folder that has a state, by model, seed and name; others are left out."""
    entries = []
    for path in folder.glob("*.png"):
        try:
            state = read_state(path)
        except UserError:
            continue
        light = state.model_copy(update={"ws": Styles(rows=[], data="")})
        entries.append(Entry(PurePosixPath(path.relative_to(out)).as_posix(), light, state.digest))
    return sorted(entries, key=lambda entry: (entry.state.model.title, entry.state.seed or 0, entry.file))


def write_page(out: Path, entries: Sequence[Entry], extras: Mapping[str, Path]) -> Path:
    """Write ``index.html``.

    Args:
        out: The gallery's folder.
        entries: Its pictures, at least one.
        extras: Sheets and loops by the keys of ``LINKS``, files in the same folder.

    Raises:
        UserError: It can't be written.
    """
    names = {key: quote(path.name) for key, path in extras.items()}
    write_bytes(out / PAGE, page_text(entries, names).encode())
    return out / PAGE


def page_text(entries: Sequence[Entry], extras: Mapping[str, str]) -> str:
    """The page as text; ``extras`` are addresses relative to it."""
    models = sorted({entry.state.model.title for entry in entries})
    values = {
        "title": html.escape(", ".join(sorted({entry.state.model.name for entry in entries})[:3])),
        "subtitle": html.escape(_subtitle(entries, models)),
        "links": "".join(
            f'<a href="{html.escape(extras[key])}">{text}</a>' for key, text in LINKS.items() if key in extras
        ),
        "loop": _loop(extras),
        "models": "".join(f"<option>{html.escape(model)}</option>" for model in models),
        "count": str(len(entries)),
        "pixels": " pixels" if max(entry.state.size for entry in entries) < PIXELS_BELOW_PX else "",
        "figures": "\n".join(_figure(index, entry) for index, entry in enumerate(entries)),
        "data": script_json({"pictures": [_row(entry) for entry in entries]}),
    }
    # One pass: what a name brings in is never looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], TEMPLATE.read_text(encoding="utf-8"))


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: no ``<``, so nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _subtitle(entries: Sequence[Entry], models: Sequence[str]) -> str:
    seeds = [entry.state.seed for entry in entries if entry.state.seed is not None]
    said = [f"{len(entries)} picture{'s' if len(entries) > 1 else ''} by {', '.join(models[:3])}"]
    if seeds:
        said.append(f"seeds {min(seeds)} to {max(seeds)}" if len(seeds) > 1 else f"seed {seeds[0]}")
    psis = sorted({entry.state.psi for entry in entries})
    said.append("truncation " + ", ".join(f"{psi:g}" for psi in psis[:4]))
    return " · ".join(said) + ". Each file knows how to be made again."


def _loop(extras: Mapping[str, str]) -> str:
    if "loop_mp4" in extras:
        source = html.escape(extras["loop_mp4"])
        return f'<figure class="loop"><video src="{source}" autoplay muted loop playsinline></video></figure>'
    if "loop" in extras:
        return f'<figure class="loop"><img src="{html.escape(extras["loop"])}" alt="Loop"></figure>'
    return ""


def _figure(index: int, entry: Entry) -> str:
    source, title = html.escape(quote(entry.file)), html.escape(entry.state.title)
    side = entry.state.size
    return (
        f'<figure class="picture" data-i="{index}"><a href="{source}"><img loading="lazy" decoding="async" '
        f'src="{source}" width="{side}" height="{side}" alt="{title}"></a>'
        f'<figcaption><span class="name">{title}</span><span class="stars"></span></figcaption></figure>'
    )


def _row(entry: Entry) -> dict[str, Any]:
    state = {key: value for key, value in entry.state.as_json().items() if key != "ws"}
    return {
        "file": quote(entry.file),
        "title": entry.state.title,
        "seed": entry.state.seed,
        "model": entry.state.model.title,
        "digest": entry.digest,
        "details": entry.state.details,
        "command": entry.command,
        "state": state,
    }
