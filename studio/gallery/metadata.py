"""The state inside a picture: everything that it takes to make it again, in its PNG file.

Two text chunks: ``antiphon`` holds the state as JSON, ``parameters`` the same in a line that other picture
browsers show. Neither holds a date: the same state gives the same bytes (the file system keeps the date).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from midi.errors import UserError
from midi.files import write_bytes
from models.bundle import Name

SCHEMA = 1
CHUNK = "antiphon"
HUMAN_CHUNK = "parameters"
"""What Automatic1111's pictures carry, and what browsers of such pictures look for."""

MAX_STATE_CHARACTERS = 2_000_000
"""Longest JSON read: 14 layers of 4,096 numbers, the largest generator there can be, take 310,000."""

COMPRESS_LEVEL = 6

Text = Annotated[str, Field(max_length=2000)]


class _Frozen(BaseModel):
    # Later versions may know more; what they add does not keep this one from reading the rest.
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class ModelMark(_Frozen):
    """Which model made a picture.

    Attributes:
        name: Bundle name.
        version: Its version.
        sha256: Of its weights, hexadecimal.
        arch: Its architecture.
        data_sha: Hash of its training data, where it is known.
    """

    name: Name
    version: Text
    sha256: Text
    arch: Text = ""
    data_sha: Text | None = None

    @property
    def title(self) -> str:
        """Name and version as people write them."""
        return f"{self.name}@{self.version}"


class Styles(_Frozen):
    """Styles of all layers, exactly: the distinct ones as float32, and which layer has which.

    Attributes:
        rows: For every layer the index of its style.
        data: The styles, base64 of little-endian float32.
    """

    rows: list[int] = Field(max_length=64)
    data: str = Field(max_length=MAX_STATE_CHARACTERS)


class State(_Frozen):
    """Everything that a picture depends on. The styles decide; seed and the rest say how they came about.

    Attributes:
        schema_: Version of this form.
        app: Program and version.
        model: Which model.
        seed: Seed of the picture, None when it came from elsewhere.
        expression: Arithmetic that it came from.
        psi: Truncation, already in ``ws``.
        mix: Styles mixed in, already in ``ws``.
        move: Directions moved along, already in ``ws``.
        bend: Layer bending.
        noise_seed: Of the layers' noise.
        ws: The styles.
        size: Side in pixels.
        device: Where it was made.
        torch: By which version.
        parent: Digest of the state that it was derived from.
        session: Name of the take that it was played in.
        midi_tick: Where in that take.
    """

    schema_: int = Field(SCHEMA, alias="schema")
    app: Text = ""
    model: ModelMark
    seed: int | None = None
    expression: Text | None = None
    psi: float = 1.0
    mix: Text = ""
    move: Text = ""
    bend: Text = ""
    noise_seed: int = Field(0, ge=0, lt=2**32)
    ws: Styles
    size: int = Field(ge=1, le=4096)
    device: Text = "cpu"
    torch: Text = ""
    parent: Text | None = None
    session: Text | None = None
    midi_tick: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not set is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def encoded(self) -> str:
        """Compact JSON with sorted keys."""
        return json.dumps(self.as_json(), separators=(",", ":"), sort_keys=True, ensure_ascii=False)

    @property
    def digest(self) -> str:
        """Short name of the picture: equal for equal states on whatever machine; 16 hexadecimal digits."""
        portable = self.model_dump(mode="json", by_alias=True, exclude={"device", "torch", "app", "schema_"})
        text = json.dumps(portable, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """What to write below the picture."""
        return f"seed {self.seed}" if self.seed is not None else self.expression or "picture"

    @property
    def details(self) -> list[tuple[str, str]]:
        """What there is to say about it, name and value."""
        rows = [("Model", self.model.title), ("Seed", "" if self.seed is None else str(self.seed))]
        rows += [("Expression", self.expression or ""), ("Truncation", f"{self.psi:g}")]
        rows += [("Mix", self.mix), ("Move", self.move), ("Bend", self.bend)]
        rows += [("Size", f"{self.size} × {self.size}"), ("Made on", self.device)]  # noqa: RUF001 - typography
        return [(name, value) for name, value in rows if value]

    def parameters(self) -> str:
        """The line for other browsers, in Automatic1111's form: a caption, then ``Key: value`` pairs."""
        pairs = {
            "Steps": "1", "Sampler": "GAN", "Seed": "" if self.seed is None else str(self.seed),
            "Size": f"{self.size}x{self.size}", "Model hash": self.model.sha256[:10],
            "Model": self.model.name, "Truncation": f"{self.psi:g}",
            "Mix": self.mix, "Move": self.move, "Bend": self.bend, "Version": self.app,
        }  # fmt: skip
        said = ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value)
        return f"{self.model.name} {self.model.version}, {self.title}\n{said}"


def _quoted(text: str) -> str:
    """Values with commas or colons stand in quotes, as that form wants it."""
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ",:\n") else text


def pack_styles(ws: NDArray[np.float32]) -> Styles:
    """Styles ``[layers, w]`` for a state; equal layers are stored once."""
    known: dict[bytes, int] = {}
    rows = [known.setdefault(row.tobytes(), len(known)) for row in np.ascontiguousarray(ws, "<f4")]
    return Styles(rows=rows, data=base64.b64encode(b"".join(known)).decode())


def unpack_styles(styles: Styles) -> NDArray[np.float32]:
    """The styles ``[layers, w]``, to the bit.

    Raises:
        ValueError: They don't hold together.
    """
    try:
        numbers = np.frombuffer(base64.b64decode(styles.data, validate=True), "<f4")
    except binascii.Error as fault:
        raise ValueError("its styles are no base64") from fault
    n_rows = max(styles.rows, default=-1) + 1
    if n_rows < 1 or min(styles.rows) < 0 or not len(numbers) or len(numbers) % n_rows:
        raise ValueError("its styles are incomplete")
    if not np.isfinite(numbers).all():
        raise ValueError("its styles are not finite")
    return numbers.reshape(n_rows, -1)[styles.rows].astype(np.float32)


def png_bytes(picture: NDArray[np.uint8], state: State) -> bytes:
    """A picture ``[h, w, 3]`` with its state as a PNG file; the same bytes for the same arguments."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(CHUNK, state.encoded())
    chunks.add_itxt(HUMAN_CHUNK, state.parameters())
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", pnginfo=chunks, compress_level=COMPRESS_LEVEL)
    return stream.getvalue()


def save_picture(path: Path, picture: NDArray[np.uint8], state: State) -> None:
    """Write ``png_bytes``, whole or not at all.

    Raises:
        UserError: It can't be written.
    """
    write_bytes(path, png_bytes(picture, state))


def read_state(path: Path) -> State:
    """The state inside a picture; its pixels are not decoded.

    Raises:
        UserError: There is no such file, it is no picture, has no state, or a damaged one.
    """
    with _opened(path) as image:
        text = image.info.get(CHUNK)
    if not isinstance(text, str):
        raise UserError(
            f"{path} carries no state of Antiphon's.",
            "Only PNG files that Antiphon wrote do; programs that save them again may drop it.",
        )
    if len(text) > MAX_STATE_CHARACTERS:
        raise _damaged(path, "it is too long")
    return _decoded(path, text)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture's pixels ``[h, w, 3]``.

    Raises:
        UserError: It can't be read.
    """
    with _opened(path) as image:
        try:
            return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as fault:
            raise UserError(f"{path} is damaged: {fault}.", "Get a whole copy of the picture.") from fault


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError as fault:
        raise UserError(f"There is no picture {path}.", "Look at the name.") from fault
    except Image.DecompressionBombError as fault:
        raise UserError(
            f"{path} is too large a picture.", "Antiphon's have at most 4096 px a side."
        ) from fault
    except (OSError, SyntaxError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "it is no picture, or a damaged one"
        raise UserError(f"{path} can't be read: {reason}.", "Name a PNG file of Antiphon's.") from fault


def _decoded(path: Path, text: str) -> State:
    try:
        fields = json.loads(text)
        if isinstance(fields, dict) and fields.get("schema") != SCHEMA:
            raise UserError(
                f"{path} has a state of form {str(fields.get('schema'))[:20]}, not {SCHEMA}.",
                "Update Antiphon, which can read it then.",
            )
        state = State.model_validate(fields)
        unpack_styles(state.ws)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(map(str, first["loc"]))[:60]
        raise _damaged(path, f"{where or 'it'}: {first['msg'][:80]}") from fault
    except (ValueError, RecursionError) as fault:
        raise _damaged(path, str(fault)[:80]) from fault
    return state


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"The state in {path} is damaged ({reason}).", "Get the file again from where it came from."
    )
