"""A MIDI system made of nothing: for tests, demonstrations and machines without ports."""

from __future__ import annotations

from collections.abc import Sequence

from midi.errors import UserError
from midi.portsystem import Connection, Direction, MidiSystem, Receive


class FakePort:
    """An instrument with one input and one output of the same name.

    Attributes:
        name: Full name, as it is listed.
        heard: Every message it received, in order.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[bytes] = []
        self.plugged = True
        self.listeners: list[_FakeConnection] = []

    def play(self, *messages: Sequence[int]) -> None:
        """Send raw messages to whoever listens, on the caller's thread."""
        for data in messages:
            for listener in list(self.listeners):
                if self.plugged and listener.receive is not None:
                    listener.receive(data)


class _FakeConnection:
    def __init__(self, system: FakeSystem, port: FakePort, receive: Receive | None) -> None:
        self._system = system
        self._port = port
        self.receive = receive
        port.listeners.append(self)

    def send(self, data: bytes) -> None:
        if not self._port.plugged:
            raise OSError("unplugged")
        self._port.heard.append(data)

    def reopen(self, name: str) -> None:
        self.close()
        self._port = self._system.port(name)
        self._port.listeners.append(self)

    def close(self) -> None:
        if self in self._port.listeners:
            self._port.listeners.remove(self)


class FakeSystem(MidiSystem):
    """A ``MidiSystem`` whose instruments are plugged and unplugged by calls.

    Virtual ports live in ``published`` and can be played and read like instruments.
    """

    api = "fake"
    problem: UserError | None = None

    def __init__(self, *names: str) -> None:
        self._ports: dict[str, FakePort] = {}
        self.published: dict[str, FakePort] = {}
        for name in names:
            self.plug(name)

    def plug(self, name: str) -> FakePort:
        """Plug an instrument in, a fresh one each time: connections to a former one stay dead."""
        self._ports[name] = FakePort(name)
        return self._ports[name]

    def unplug(self, name: str) -> None:
        """Pull an instrument out."""
        self._ports.pop(name).plugged = False

    def port(self, name: str) -> FakePort:
        """The instrument of this full name; ``UserError`` when it is not there."""
        if name not in self._ports:
            raise UserError(f"The MIDI port '{name}' could not be opened.")
        return self._ports[name]

    def names(self, direction: Direction) -> tuple[str, ...]:  # noqa: ARG002
        """All instruments; each is an input and an output."""
        return tuple(self._ports)

    def connect(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:  # noqa: ARG002
        """Open an instrument."""
        return _FakeConnection(self, self.port(name), receive)

    def publish(self, direction: Direction, name: str, receive: Receive | None = None) -> Connection:
        """Make a virtual port, found under ``published['<name>:in']`` or ``['<name>:out']``."""
        key = f"{name}:{'in' if direction is Direction.INPUT else 'out'}"
        self.published[key] = FakePort(key)
        return _FakeConnection(self, self.published[key], receive)

    def close(self) -> None:
        """Nothing to let go."""
