"""What a live performance is wired to: ports in and out, changed while it runs, or turning up later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from midi.clock import Clock
from midi.errors import UserError
from midi.loopback import LoopbackGuard
from midi.messages import InputQueue, Kind, MidiInput
from midi.ports import (
    NO_PORT,
    Direction,
    InputPort,
    MidiSystem,
    OutputPort,
    PortEvent,
    PortWatcher,
    match_port,
    open_input,
    open_output,
    publish_input,
    publish_output,
)
from midi.scheduler import Lateness, OutputScheduler
from studio.live.outputs import PortOutput
from studio.live.realtime import OUTPUT_PRIORITY, ask_for_real_time

Plug = Callable[[PortOutput], None]

NOT_A_PLAYER = ("midi through", "antiphon")
"""Inputs with these in their name are plumbing and are not opened unless asked for by name."""


class Ports:
    """The ports of a performance. One thread at a time opens, polls, changes and closes them.

    Args:
        system: The MIDI system.
        queue: Where everything received goes.
        clock: Stamps what is received, and tells when to send.
        plug: Told of what feeds an output that was opened.
        unplug: Told of what fed an output that is about to be closed.

    Attributes:
        inputs: Open inputs.
        outputs: Open outputs with what feeds them.
        sentences: What a person should know about them.
        heard_s: Time of the latest message from an input, clocks aside; minus infinity before the first.
    """

    def __init__(
        self,
        system: MidiSystem,
        queue: InputQueue,
        clock: Clock,
        *,
        plug: Plug | None = None,
        unplug: Plug | None = None,
    ) -> None:
        self._system, self._queue, self._clock = system, queue, clock
        self._plug, self._unplug = plug, unplug
        self._awaited: dict[Direction, str] = {}
        self.heard_s = float("-inf")
        self._guard = LoopbackGuard()
        self._watcher = PortWatcher(system)
        self._wants_any_input = False
        self._n_dropped = 0
        self.inputs: list[InputPort] = []
        self.outputs: list[_Output] = []
        self.sentences: list[str] = []

    def open(self, in_port: str | None, out_port: str | None, virtual: str | None) -> None:
        """Open what was asked for.

        Args:
            in_port: Part of a name; ``none`` for none; None takes the first, now or when one turns up.
            out_port: Part of a name; ``none`` or None for none.
            virtual: Name of a pair to create.

        Raises:
            UserError: A port that was named cannot be had. Nothing stays open then.
        """
        try:
            if virtual:
                self.inputs.append(publish_input(self._system, virtual, self._hear, self._clock))
                self._add_output(publish_output(self._system, virtual, self._clock, self._guard))
            if out_port is not None and not _is_none(out_port):
                self._add_output(open_output(self._system, out_port, self._clock, self._guard))
            if in_port is not None and not _is_none(in_port):
                self._add_input(in_port)
            elif in_port is None and not virtual:
                self._wants_any_input = True
                self._open_any_input()
        except BaseException:
            self.close()
            raise

    def _add_output(self, port: OutputPort) -> None:
        self._watcher.watch(port)
        scheduler = OutputScheduler(port, self._clock, on_start=lambda: ask_for_real_time(OUTPUT_PRIORITY))
        output = _Output(port, scheduler, PortOutput(scheduler))
        self.outputs.append(output)
        if self._plug is not None:
            self._plug(output.sink)

    def _hear(self, message: MidiInput) -> None:
        if message.kind is not Kind.CLOCK:
            self.heard_s = message.time_s
        self._queue.put(message)

    def expect(self, in_port: str | None, out_port: str | None) -> None:
        """Open what was used before, now or as soon as it turns up; see :meth:`open` for the names."""
        if in_port is None or _is_none(in_port):
            self.open(in_port, None, None)
        elif not self._try(Direction.INPUT, in_port):
            self._await(Direction.INPUT, in_port)
        if out_port is not None and not _is_none(out_port) and not self._try(Direction.OUTPUT, out_port):
            self._await(Direction.OUTPUT, out_port)

    def _await(self, direction: Direction, wanted: str) -> None:
        self._awaited[direction] = wanted
        self.sentences.append(f"The MIDI {direction} {wanted} is not there; it is used once it turns up.")

    def _try(self, direction: Direction, wanted: str) -> bool:
        try:
            if direction is Direction.INPUT:
                self._add_input(wanted)
            else:
                self._add_output(open_output(self._system, wanted, self._clock, self._guard))
        except UserError:
            return False
        return True

    def choose_input(self, name: str | None) -> None:
        """Play from another port; what the one before holds is released. Virtual inputs stay.

        Raises:
            UserError: It cannot be had; everything is as before.
        """
        before = [port for port in self.inputs if port.is_hardware]
        if name is not None and not _is_none(name):
            found = match_port(name, self._system.names(Direction.INPUT), Direction.INPUT)
            if any(port.name == found and not port.lost for port in before):
                return
            self._add_input(found)
        for port in before:
            self._watcher.unwatch(port)
            self.inputs.remove(port)
            port.lose(self._clock.now_s())
            port.close()
        self._awaited.pop(Direction.INPUT, None)
        self._wants_any_input = name is None
        if name is None:
            self._open_any_input()

    def choose_output(self, name: str | None) -> None:
        """Send to another port; the one before is silenced. Virtual outputs stay.

        Raises:
            UserError: It cannot be had; everything is as before.
        """
        before = [output for output in self.outputs if output.port.is_hardware]
        if name is not None and not _is_none(name):
            found = match_port(name, self._system.names(Direction.OUTPUT), Direction.OUTPUT)
            if any(output.port.name == found and not output.port.lost for output in before):
                return
            self._add_output(open_output(self._system, found, self._clock, self._guard))
        for output in before:
            self._watcher.unwatch(output.port)
            self.outputs.remove(output)
            if self._unplug is not None:
                self._unplug(output.sink)
            output.scheduler.close()
            self._n_dropped += output.n_unsent
            output.port.close()
        self._awaited.pop(Direction.OUTPUT, None)

    def names(self, direction: Direction) -> tuple[str, ...]:
        """Ports there were at the last look."""
        return self._watcher.names(direction)

    def sent_s(self) -> float:
        """Time of the latest sound for an output; minus infinity before the first."""
        return max((output.sink.active_s for output in self.outputs), default=float("-inf"))

    def _add_input(self, wanted: str) -> None:
        port = open_input(self._system, wanted, self._hear, self._clock, self._guard)
        self._watcher.watch(port)
        self.inputs.append(port)

    def _open_any_input(self) -> None:
        if self._system.problem is not None:
            problem = self._system.problem
            self.sentences.append(f"{problem.message} {problem.hint}".strip())
            self._wants_any_input = False
            return
        for name in self._system.names(Direction.INPUT):
            if any(word in name.casefold() for word in NOT_A_PLAYER):
                continue
            try:
                self._add_input(name)
            except UserError as error:
                self.sentences.append(error.message)
                continue
            self._wants_any_input = False
            return

    def poll(self, now_s: float) -> tuple[PortEvent, ...]:
        """Reopen what came back; open what is awaited, or any input where none was named."""
        events = self._watcher.poll(now_s)
        for direction, wanted in list(self._awaited.items()):
            if any(event.change == "appeared" for event in events) and self._try(direction, wanted):
                self._awaited.pop(direction, None)
        if self._wants_any_input and any(
            event.change == "appeared" and event.direction is Direction.INPUT for event in events
        ):
            self._open_any_input()
        return events

    def input_name(self) -> str:
        """The inputs in words; empty without any."""
        return ", ".join(f"{port.name}{' (lost)' if port.lost else ''}" for port in self.inputs)

    def output_name(self) -> str:
        """The outputs in words; empty without any."""
        return ", ".join(f"{out.port.name}{' (lost)' if out.port.lost else ''}" for out in self.outputs)

    def lateness(self) -> Lateness | None:
        """How late messages left; of the output that was worst."""
        found = [out.scheduler.lateness() for out in self.outputs]
        return max(found, key=lambda late: late.p99_ms) if found else None

    def dropped(self) -> int:
        """Notes that were not sent: they came too late, or everything was silenced before their time."""
        return self._n_dropped + sum(out.n_unsent for out in self.outputs)

    def close(self) -> None:
        """Silence and close everything, each whatever the others do; calling it again does nothing."""
        tasks: list[Callable[[], None]] = [port.close for port in self.inputs]
        outputs = self.outputs
        for out in outputs:
            tasks += [out.scheduler.close, out.port.close]
        self.inputs, self.outputs = [], []
        tasks.append(self._system.close)
        fault: Exception | None = None
        for task in tasks:
            try:
                task()
            except Exception as error:
                fault = fault or error
        self._n_dropped += sum(out.n_unsent for out in outputs)
        if fault is not None:
            raise fault


@dataclass(frozen=True)
class _Output:
    port: OutputPort
    scheduler: OutputScheduler
    sink: PortOutput = field(repr=False)

    @property
    def n_unsent(self) -> int:
        """Notes that never left."""
        return self.scheduler.n_stale + self.scheduler.n_flushed


def _is_none(name: str) -> bool:
    return name.strip().casefold() == NO_PORT
