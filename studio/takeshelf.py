"""``antiphon takes``: what was recorded, and what to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from studio.terminal import USUAL, Common, Report, Switch, progress, table

if TYPE_CHECKING:
    from studio.takes import Library, TakeInfo

app = App(name="takes", help="List, name, tag, export and delete takes; let the partner try again.")

Bar = Annotated[int, Parameter(validator=Number(gte=1))]
NotNegative = Parameter(validator=Number(gte=0))


def _library(folder: Path | None) -> Library:
    # Imported here because `antiphon --help` need not wait for what it loads.
    from studio.takes import Library  # noqa: PLC0415

    return Library(folder)


@app.command(name="list")
def list_(
    *,
    tag: str | None = None,
    starred: Switch = False,
    folder: Path | None = None,
    common: Common = USUAL,  # noqa: ARG001 - options of every command
) -> Report:
    """List the takes, newest first; a star marks the favorites.

    Args:
        tag: Only takes with this tag.
        starred: Only favorites.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        infos = library.takes()
    if tag is not None:
        infos = [info for info in infos if tag.casefold() in {each.casefold() for each in info.tags}]
    infos = [info for info in infos if info.is_starred or not starred]
    head = ("  name", "created", "length", "notes", "model", "tags", "")
    lines = table(head, [_row(info) for info in infos]) if infos else ["No takes yet."]
    return Report([info.as_json() for info in infos], lines)


@app.command(name="folder")
def folder_(path: str | None = None, /, *, usual: Switch = False, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Tell where takes are kept, or keep them elsewhere from now on; those that are there stay there.

    Args:
        path: The new folder; made where it is missing.
        usual: Back to the folder in the user's data.
        common: Options of every command.
    """
    from studio import settings  # noqa: PLC0415
    from studio.appsettings import load_settings, save_settings  # noqa: PLC0415

    if path is not None or usual:
        chosen, _ = load_settings()
        chosen.takes_folder = None if path is None else str(settings.usable_folder(path))
        save_settings(chosen)
    return Report({"folder": str(settings.takes_folder())}, [str(settings.takes_folder())])


@app.command(name="show")
def show(take: str, /, *, folder: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Show what is known of a take.

    Args:
        take: Its id, name or path.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        data = library.find(take).as_json()
    shown = {
        key: value for key, value in data.items() if value not in ("", [], 0, False) and key != "is_read"
    }
    return Report(data, [f"{key:<14} {_words(value)}" for key, value in shown.items()])


@app.command(name="rename")
def rename(
    take: str,
    name: str,
    /,
    *,
    folder: Path | None = None,
    common: Common = USUAL,  # noqa: ARG001
) -> Report:
    """Call a take something else; its files stay where they are.

    Args:
        take: Its id, name or path.
        name: The new name; an empty one goes back to its folder's.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        info = library.rename(take, name)
    return _told(info, f"{info.id} is called '{info.name}'.")


@app.command(name="tag")
def tag(
    take: str,
    /,
    *tags: str,
    remove: Switch = False,
    folder: Path | None = None,
    common: Common = USUAL,  # noqa: ARG001
) -> Report:
    """Add words to find a take by.

    Args:
        take: Its id, name or path.
        tags: The words.
        remove: Take them away instead.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        info = library.untag(take, *tags) if remove else library.tag(take, *tags)
    return _told(info, f"'{info.name}' has the tags: {', '.join(info.tags) or 'none'}.")


@app.command(name="star")
def star(
    take: str,
    /,
    *,
    remove: Switch = False,
    folder: Path | None = None,
    common: Common = USUAL,  # noqa: ARG001
) -> Report:
    """Make a take a favorite.

    Args:
        take: Its id, name or path.
        remove: Make it none.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        info = library.star(take, is_starred=not remove)
    return _told(info, f"'{info.name}' is {'a' if info.is_starred else 'no'} favorite.")


@app.command(name="trash")
def trash(take: str, /, *, folder: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Move a take to the trash.

    Args:
        take: Its id, name or path.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        gone = library.trash(take)
    return Report(gone.as_json(), [f"'{gone.name}' is in the trash: antiphon takes restore {gone.key}"])


@app.command(name="trashed")
def trashed(*, folder: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """List what is in the trash, newest first.

    Args:
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        found = library.trashed()
    rows = [(each.key, each.name, each.when) for each in found]
    lines = table(("key", "name", "deleted"), rows) if rows else ["The trash is empty."]
    return Report([each.as_json() for each in found], lines)


@app.command(name="restore")
def restore(key: str, /, *, folder: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Bring a take back from the trash.

    Args:
        key: What `antiphon takes trashed` calls it.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        info = library.restore(key)
    return _told(info, f"'{info.name}' is back: {info.id}")


@app.command(name="empty-trash")
def empty_trash(*, folder: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Delete for good what is in the trash.

    Args:
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library:
        n_gone = library.empty_trash()
    return Report({"deleted": n_gone}, [f"{n_gone} takes deleted."])


@app.command(name="export")
def export(
    take: str,
    /,
    *,
    out: Path | None = None,
    kind: Literal["mid", "wav", "flac", "png"] = "wav",
    folder: Path | None = None,
    common: Common = USUAL,
) -> Report:
    """Write a take as MIDI, WAV, FLAC or PNG.

    Args:
        take: Its id, name or path.
        out: File to write, by the ending of its name, or a folder; the current folder by default.
        kind: What to write into a folder.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library, progress(common) as advance:
        path, figures = library.export(take, out or Path(), kind, advance)
    return Report(figures | {"out": str(path)}, [str(path)])


@app.command(name="thumbnail")
def thumbnail(
    take: str,
    /,
    *,
    out: Path,
    width: Annotated[int, Parameter(validator=Number(gte=8, lte=4096))] = 160,
    height: Annotated[int, Parameter(validator=Number(gte=8, lte=4096))] = 40,
    folder: Path | None = None,
    common: Common = USUAL,  # noqa: ARG001
) -> Report:
    """Write a take's mini piano roll as a PNG file.

    Args:
        take: Its id, name or path.
        out: File to write.
        width: Pixels across.
        height: Pixels down.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    from midi.files import write_bytes  # noqa: PLC0415
    from studio.takeroll import png_bytes  # noqa: PLC0415

    with _library(folder) as library:
        picture = library.thumbnail(take, width, height)
    write_bytes(out, png_bytes(picture))
    return Report({"out": str(out), "width": width, "height": height}, [str(out)])


@app.command(name="verify")
def verify(take: str, /, *, folder: Path | None = None, common: Common = USUAL) -> Report:
    """Make a take's sound anew and compare it, bit for bit, with sound files beside it and the last time.

    Args:
        take: Its id, name or path.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    with _library(folder) as library, progress(common) as advance:
        data = library.verify(take, advance)
    found = {**data["matches"], "the last time": data["last_time"]}
    lines = [f"{name}: {'the same sound' if same else 'another sound'}" for name, same in found.items()
             if same is not None]  # fmt: skip
    return Report(data, [f"sha256 {data['sha256']}", *lines], 1 if False in found.values() else 0)


@app.command(name="try-again")
def try_again(
    take: str,
    /,
    *,
    from_bar: Bar,
    seed: int | None = None,
    model: str | None = None,
    plan_latency_ms: Annotated[float | None, NotNegative] = None,
    parts: str | None = None,
    folder: Path | None = None,
    common: Common = USUAL,
) -> Report:
    """Let the partner try again from a bar on, as a new take; the player's part stays as it was.

    Args:
        take: Its id, name or path.
        from_bar: Bar, from 1, from which the partner plays anew.
        seed: Same seed, same answer; another one is drawn by default.
        model: Bundle name or folder; the take's own by default; `none` plays by rules alone.
        plan_latency_ms: Musical time charged for each plan; by default this machine's measured p95.
        parts: What the partner plays from there on, such as `piano,bass,drums`, or `all` that its model was
            taught; as before by default.
        folder: Folder of the takes; the user's by default.
        common: Options of every command.
    """
    from studio import retake  # noqa: PLC0415
    from studio.takewords import again_name  # noqa: PLC0415

    with _library(folder) as library, progress(common) as advance:
        old = library.find(take)
        data = retake.try_again(
            old.path, from_bar=from_bar, seed=seed, model=model, parent=old.id, folder=library.folder,
            plan_latency_ms=plan_latency_ms, parts=parts, device=common.device, progress=advance,
        )  # fmt: skip
        new = library.find(str(data["path"]))
        taken = {info.name for info in library.takes() if info.id != new.id}
        new = library.rename(new.id, again_name(old.name, from_bar, taken))
    line = f"{data['new_notes']} new notes from bar {from_bar} on, {data['copied_notes']} as before: {new.id}"
    return Report(data | {"id": new.id, "name": new.name}, [line])


def _row(info: TakeInfo) -> tuple[str, ...]:
    remark = info.problem or ("its end was lost" if info.is_torn else "")
    called = info.name if info.name == info.id else f"{info.name} [{info.id}]"
    return (
        f"{'*' if info.is_starred else ' '} {called}",
        info.created.replace("T", " "),
        f"{int(info.length_s) // 60}:{int(info.length_s) % 60:02d}",
        f"{info.player_notes}+{info.partner_notes}",
        info.model,
        ", ".join(info.tags),
        remark,
    )


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _told(info: TakeInfo, line: str) -> Report:
    return Report(info.as_json(), [line])
