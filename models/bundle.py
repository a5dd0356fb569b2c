"""Bundles: a trained model as a folder of three or four files, and the zip that it travels in.

A bundle is ``bundle.json`` (the manifest), ``model.safetensors`` (the weights), ``README.md`` (the card) and,
for models of pictures, ``sheet.png`` (samples).
Nothing in it is executed, everything is checked before it is used, and a bundle is either written whole or
not at all.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from midi.errors import UserError
from midi.instruments import INSTRUMENT_NAMES

MANIFEST = "bundle.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
SHEET = "sheet.png"
FORMAT_VERSION: Literal[1] = 1
SIZE_LIMITS = {MANIFEST: 1 << 20, WEIGHTS: 2 << 30, CARD: 1 << 20, SHEET: 4 << 20}
REQUIRED = frozenset({MANIFEST, WEIGHTS, CARD})
DESKTOP_CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave in every folder they show."""

Kind = Literal["notes", "latent", "image", "features"]
SEMVER = (  # semver.org §2 and its suggested regular expression
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?$"
)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Version = Annotated[str, StringConstraints(pattern=SEMVER, max_length=64)]


def _known_instrument(name: str) -> str:
    if name not in INSTRUMENT_NAMES:
        raise ValueError(f"there is no instrument '{name[:20]}'")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Kinds(_Strict):
    """What a model reads and what it gives."""

    in_: Kind = Field(alias="in")
    out: Kind


class DataSource(_Strict):
    """One collection that a model was trained on."""

    name: str
    licence: str
    source: str = ""


class Manifest(_Strict):
    """Everything about a bundle but its weights.

    Attributes:
        format: Version of this file's form.
        name: Lower-case letters, digits, ``-`` and ``_``; the bundle's identity together with ``version``.
        version: Semantic version (semver.org), without build metadata.
        kinds: Media read and given.
        architecture: Which network; the code that loads a bundle compares it.
        config: That network's configuration.
        vocabulary_hash: Of the event vocabulary, for models of notes.
        instruments: Names of the parts that a partner was taught; what none means tells
            :func:`models.sequence.parts.told_parts`.
        parent: ``name@version`` that training started from.
        data_digest: Hash of the training data.
        data: Collections in it with their licences.
        licence: SPDX identifier of the weights.
        metrics: Figures on held-out data; the card is generated from them.
        checksums: SHA-256 of the other files, hexadecimal.
        created: ISO 8601, UTC.
    """

    format: Literal[1] = FORMAT_VERSION
    name: Name
    version: Version
    kinds: Kinds
    architecture: str
    config: dict[str, Any] = {}
    vocabulary_hash: str | None = None
    instruments: list[Annotated[str, AfterValidator(_known_instrument)]] = []
    parent: str | None = None
    data_digest: str | None = None
    data: list[DataSource] = []
    licence: str
    metrics: dict[str, Any] = {}
    checksums: dict[str, str]
    created: str


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked; weights are read when asked for.

    Attributes:
        path: The folder.
        manifest: Its contents.
    """

    path: Path
    manifest: Manifest

    @property
    def card(self) -> str:
        """Text of the card."""
        return (self.path / CARD).read_text(encoding="utf-8", errors="replace")

    def tensors(self, device: str | torch.device = "cpu") -> dict[str, Tensor]:
        """Every weight by name; those stored in half precision come back as float32."""
        try:
            with safe_open(self.path / WEIGHTS, framework="pt") as stream:
                loaded = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise refusal(self.path, f"its weights cannot be read ({error})") from error
        return {key: _widened(tensor).to(device) for key, tensor in loaded.items()}

    def require_vocabulary(self, vocabulary_hash: str) -> None:
        """Refuse a bundle made for other event rows than this program's."""
        if self.manifest.vocabulary_hash != vocabulary_hash:
            raise UserError(
                f"The bundle {self._title} was made for another event vocabulary "
                f"({self.manifest.vocabulary_hash or 'none'}, here {vocabulary_hash}).",
                "Use the version of Antiphon that made it, or train it again with this one.",
            )

    def require_architecture(self, *known: str) -> None:
        """Refuse a bundle for a network that the caller does not know."""
        if self.manifest.architecture not in known:
            raise UserError(
                f"The bundle {self._title} holds a network '{self.manifest.architecture}', "
                f"not {' or '.join(known)}.",
                "Choose another bundle: antiphon models list shows what each reads and gives.",
            )

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Build a network from the manifest and fill it with the weights inside.

        Raises:
            UserError: They do not fit each other.
        """
        try:
            yield
        except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"The weights in {self.path} do not fit the network that its bundle.json describes.",
                "Install the bundle again.",
            ) from error

    def require_kinds(self, in_: Kind, out: Kind) -> None:
        """Refuse a bundle for other media."""
        kinds = self.manifest.kinds
        if (kinds.in_, kinds.out) != (in_, out):
            raise UserError(
                f"The bundle {self._title} turns {kinds.in_} into {kinds.out}, not {in_} into {out}.",
                "Choose another bundle: antiphon models list shows what each reads and gives.",
            )

    @property
    def _title(self) -> str:
        return f"{self.manifest.name}@{self.manifest.version}"


def write_bundle(
    folder: Path,
    manifest_fields: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    card_text: str,
    *,
    is_half: bool = False,
    sheet_png: bytes | None = None,
) -> Bundle:
    """Write a bundle whole or not at all.

    Args:
        folder: Must not exist; its parents are made.
        manifest_fields: Of ``Manifest``, without ``checksums`` and, usually, ``format`` and ``created``.
        tensors: Weights by name, any device, finite.
        card_text: Markdown.
        is_half: Store float32 as float16, where its range allows; ``Bundle.tensors`` widens it again.
        sheet_png: Samples of a model of pictures.

    Raises:
        UserError: The folder exists, a field is wrong, a weight is not finite, or the disk refused.
    """
    with whole_folder(folder) as temporary:
        save_file({key: _stored(key, value, is_half) for key, value in tensors.items()}, temporary / WEIGHTS)
        # safetensors writes files for their owner only; the other two can be read by all.
        (temporary / WEIGHTS).chmod(0o644)
        (temporary / CARD).write_text(card_text, encoding="utf-8")
        if sheet_png is not None:
            (temporary / SHEET).write_bytes(sheet_png)
        checksums = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            manifest = Manifest(**({"created": created} | dict(manifest_fields) | {"checksums": checksums}))
            text = json.dumps(manifest.model_dump(by_alias=True), indent=2, allow_nan=False)
        except (ValidationError, ValueError, TypeError) as error:
            raise UserError(f"The bundle can't be described: {_first_fault(error)}.") from error
        (temporary / MANIFEST).write_text(text + "\n", encoding="utf-8")
        read_bundle(temporary)
    return Bundle(folder, manifest)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a bundle, after a look at its files' names and sizes; checksums are not compared.

    Raises:
        UserError: What does not fit, and what to do.
    """
    _check_files(path)
    try:
        fields = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise refusal(path, f"{MANIFEST} is not readable JSON") from error
    if isinstance(fields, dict) and fields.get("format") != FORMAT_VERSION:
        raise UserError(
            f"The bundle {path} has format {str(fields.get('format'))[:20]}, not {FORMAT_VERSION}.",
            "Update Antiphon, or ask for the bundle in the older format.",
        )
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise refusal(path, f"{MANIFEST} is wrong: {_first_fault(error)}") from error


def read_bundle(path: Path) -> Bundle:
    """Open a bundle after comparing every checksum.

    Raises:
        UserError: What does not fit (files, sizes, JSON, format, checksums), and what to do.
    """
    manifest = read_manifest(path)
    present = {name for name in SIZE_LIMITS if (path / name).is_file()}
    if manifest.checksums.keys() != present - {MANIFEST}:
        raise refusal(path, "its list of checksums is not complete")
    for name, expected in manifest.checksums.items():
        if sha256(path / name) != expected:
            raise refusal(path, f"{name} was changed or damaged (its checksum differs)")
    try:
        with safe_open(path / WEIGHTS, framework="pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise refusal(path, f"{WEIGHTS} is not a safetensors file") from error
    return Bundle(path, manifest)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_name(text: str) -> bool:
    """Whether ``text`` may name a bundle."""
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text) is not None


def version_key(version: str) -> tuple[Any, ...]:
    """Sort key by semver.org §11: numbers count as numbers, a pre-release comes before its release.

    Raises:
        UserError: ``version`` is not a semantic version.
    """
    match = re.fullmatch(SEMVER, version)
    if match is None:
        raise UserError(f"'{version[:40]}' is not a version.", "Versions look like 1.2.0 or 1.2.0-rc.1.")
    *core, prerelease = match.groups()
    parts = prerelease.split(".") if prerelease else []
    keys = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return (*map(int, core), not prerelease, keys)


def _check_files(path: Path) -> None:
    if not path.is_dir():
        raise UserError(
            f"There is no bundle folder at {path}.",
            "A packed .antiphon file has to be installed first: antiphon models install FILE.",
        )
    entries = {entry.name: entry for entry in path.iterdir() if entry.name not in DESKTOP_CLUTTER}
    if missing := sorted(REQUIRED - entries.keys()):
        raise refusal(path, f"{', '.join(missing)} is missing")
    if extra := sorted(entries.keys() - SIZE_LIMITS.keys()):
        raise refusal(path, f"{extra[0]!r} does not belong in a bundle")
    for name, entry in entries.items():
        if entry.is_symlink() or not entry.is_file():
            raise refusal(path, f"{name} is not a plain file")
        if entry.stat().st_size > SIZE_LIMITS[name]:
            raise refusal(path, f"{name} is larger than {SIZE_LIMITS[name] >> 20} MB")


def refusal(path: Path, reason: str) -> UserError:
    """The fault to raise for a bundle that does not hold together."""
    return UserError(
        f"The bundle {path} can't be used: {reason}.",
        "Get it again from where it came from, or train it again.",
    )


def _first_fault(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)[:200]
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))[:80] or 'it'}: {fault['msg'][:120]}"


def _stored(key: str, tensor: Tensor, is_half: bool) -> Tensor:
    copy = tensor.detach().to("cpu", copy=True).contiguous()
    if not bool(torch.isfinite(copy).all()):
        raise UserError(f"The weight '{key}' is not finite.", "Use an earlier checkpoint of this training.")
    largest = torch.finfo(torch.float16).max
    if is_half and copy.dtype == torch.float32 and bool((copy.abs() <= largest).all()):
        return copy.half()
    return copy


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that becomes it when the block ends well, else vanishes."""
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists already.", "Choose another folder, or remove that one first.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise disk_fault(folder, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(folder)
    except (OSError, SafetensorError) as error:
        raise disk_fault(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def disk_fault(path: Path, error: Exception) -> UserError:
    """The fault to raise when the file system refused to write ``path``."""
    reason = getattr(error, "strerror", None) or error
    return UserError(
        f"{path} can't be written: {reason}.", "Free some space there, or choose another folder."
    )
