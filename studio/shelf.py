"""``antiphon models``: what is on the shelf of bundles, and what to do with it."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from studio.terminal import USUAL, Common, Report, progress, table

app = App(name="models", help="List, share, install, promote and remove models.")

# Commands import the registry themselves: it loads torch, which `antiphon --help` need not wait for.


@app.command(name="list")
def list_(*, common: Common = USUAL) -> Report:  # noqa: ARG001 - options of every command
    """List the bundles there are; a star marks the version that a name alone means."""
    from models import registry  # noqa: PLC0415

    entries = registry.list_bundles()
    rows = [
        (
            f"{'*' if each.is_current else ' '} {each.name}",
            each.version,
            f"{each.kinds['in'] or '?'} to {each.kinds['out'] or '?'}",
            f"{each.size_mb:.1f} MB",
            each.licence,
            each.problem,
        )
        for each in entries
    ]
    lines = (
        table(("  name", "version", "kinds", "size", "licence", ""), rows) if rows else ["No bundles yet."]
    )
    return Report([each.as_json() for each in entries], lines)


@app.command(name="show")
def show(name: str, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Show a bundle's card after checking its files.

    Args:
        name: Bundle name, name@version, or folder.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415
    from models.bundle import read_bundle  # noqa: PLC0415

    bundle = read_bundle(registry.find(name))
    data = bundle.manifest.model_dump(mode="json", by_alias=True) | {"path": str(bundle.path)}
    return Report(data, bundle.card.splitlines())


@app.command(name="preview")
def preview(name: str, /, *, out: Path | None = None, common: Common = USUAL) -> Report:
    """Hear how a partner plays: the first bars of a shipped melody, made once for each bundle.

    Args:
        name: Bundle name, name@version, or folder; `none` plays by rules alone.
        out: WAV file to write; by default the one that is kept.
        common: Options of every command.
    """
    from studio import preview as program  # noqa: PLC0415

    with progress(common) as advance:
        data = program.preview(name, out, advance)
    return Report(data, [str(data["audio"])])


@app.command(name="install")
def install(source: Path, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Install a bundle from a folder or an .antiphon file.

    Args:
        source: Bundle folder or .antiphon file.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415

    bundle = registry.install(source)
    return _told("installed", bundle.manifest.name, bundle.manifest.version, path=str(bundle.path))


@app.command(name="export")
def export(name: str, /, *, out: Path | None = None, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Pack a bundle into one file for sharing.

    Args:
        name: Bundle name, name@version, or folder.
        out: File or folder to write to; the current folder by default.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415

    path = registry.export(name, out)
    return Report({"action": "exported", "name": name, "path": str(path)}, [str(path)])


@app.command(name="promote")
def promote(name: str, version: str, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Make a version what the name alone means.

    Args:
        name: Bundle name.
        version: One of its versions.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415

    registry.promote(name, version)
    return _told("promoted", name, version)


@app.command(name="rollback")
def rollback(name: str, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Go back to the version before the latest promotion.

    Args:
        name: Bundle name.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415

    return _told("rolled back", name, registry.rollback(name))


@app.command(name="remove")
def remove(name: str, /, *, common: Common = USUAL) -> Report:  # noqa: ARG001
    """Delete an installed bundle.

    Args:
        name: Bundle name, or name@version where there are several.
        common: Options of every command.
    """
    from models import registry  # noqa: PLC0415

    path = registry.remove(name)
    return Report({"action": "removed", "name": name, "path": str(path)}, [f"{name} removed ({path})."])


def _told(action: str, name: str, version: str, **more: str) -> Report:
    data = {"action": action, "name": name, "version": version, **more}
    return Report(data, [f"{name} {version} {action}."])
