"""What reaches the terminal: results, faults, progress. Standard output is for results alone."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from midi.errors import UserError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are (0: unknown).

What stands before a colon names the work; what follows it may change from call to call.
"""

PROGRESS_VARIABLE = "ANTIPHON_PROGRESS"
"""Set to ``lines`` by programs that run a command and show its progress; see ``jobs``."""

PROGRESS_WORD = "progress"

Switch = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command.

    Attributes:
        json: Print exactly one JSON object, and nothing else on standard output.
        quiet: Print nothing but faults.
        debug: Show a traceback when something goes wrong.
        device: Where models run; auto takes a GPU where there is one.
    """

    json: Switch = False
    quiet: Switch = False
    debug: Switch = False
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    @property
    def is_talkative(self) -> bool:
        """True when progress and remarks may go to the terminal (standard error)."""
        return not self.quiet and sys.stderr.isatty()


USUAL = Common()
"""The default of every command's ``common``."""


@dataclass(frozen=True)
class Report:
    """What a command hands back.

    Attributes:
        data: Printed by ``--json``.
        lines: Printed otherwise.
        exit_code: 0 done, 1 an expected failure.
    """

    data: dict[str, Any] | list[Any]
    lines: Sequence[str] = field(default=())
    exit_code: int = 0


def show(report: Report, common: Common) -> None:
    """Print a result to standard output."""
    if common.json:
        sys.stdout.write(json.dumps(_plain(report.data), ensure_ascii=False) + "\n")
    elif not common.quiet and report.lines:
        sys.stdout.write("\n".join(report.lines) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: such figures are null. Paths become text."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def show_fault(fault: UserError, is_json: bool) -> None:
    """Print a fault: two lines on standard error, and with ``--json`` one object on standard output."""
    sys.stderr.write(f"{fault.message}\n{fault.hint}\n" if fault.hint else f"{fault.message}\n")
    if is_json:
        sys.stdout.write(json.dumps({"error": fault.message, "hint": fault.hint}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


@contextmanager
def progress(common: Common) -> Iterator[Progress | None]:
    """A progress bar on standard error, lines where a program asks for them, or None."""
    if os.environ.get(PROGRESS_VARIABLE) == "lines":
        yield _line_progress()
        return
    if not common.is_talkative:
        yield None
        return
    # Rich takes a tenth of a second to import, which `antiphon ports | ...` need not pay.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        tasks = {"": bars.add_task("", visible=False)}

        def advance(what: str, done: int, total: int) -> None:
            work = what.partition(":")[0]
            if work not in tasks:
                tasks[work] = bars.add_task(what, total=total or None)
            bars.update(tasks[work], description=what, completed=done, total=total or None)

        yield advance


def _line_progress() -> Progress:
    """Tells a program: ``progress``, a share or ``-``, and what is done; a line for each percent."""
    told = ""

    def advance(what: str, done: int, total: int) -> None:
        nonlocal told
        share = f"{min(done / total, 1.0):.2f}" if total > 0 else "-"
        line = f"{PROGRESS_WORD} {share} {' '.join(what.partition(':')[0].split())}\n"
        if line != told:
            told = line
            sys.stderr.write(line)
            sys.stderr.flush()

    return advance


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of aligned columns, two spaces apart."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    return ["  ".join(row).rstrip() for row in cells]
