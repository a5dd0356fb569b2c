"""What the window needs of a desk, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from studio.live.deskview import Command, DeskView


class DeskLike(Protocol):
    """A desk: told commands, looked at, closed. None of the calls waits."""

    def do(self, command: Command) -> None:
        """Tell it something."""
        ...

    def view(self) -> DeskView:
        """The newest look at it; the same object as before when nothing is new."""
        ...

    def close(self) -> None:
        """End it; running takes are finished."""
        ...
