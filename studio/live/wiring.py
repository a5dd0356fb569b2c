"""Opens what a live performance is wired to: ports in and out, and an input that turns up later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from midi.clock import Clock
from midi.errors import UserError
from midi.loopback import LoopbackGuard
from midi.messages import InputQueue
from midi.ports import (
    NO_PORT,
    Direction,
    InputPort,
    MidiSystem,
    OutputPort,
    PortEvent,
    PortWatcher,
    open_input,
    open_output,
    publish_input,
    publish_output,
)
from midi.scheduler import Lateness, OutputScheduler
from studio.live.outputs import PortOutput

NOT_A_PLAYER = ("midi through", "antiphon")
"""Inputs with these in their name are plumbing and are not opened unless asked for by name."""


class Ports:
    """The ports of a performance. Opened by one thread, then polled and closed by the engine's.

    Args:
        system: The MIDI system.
        queue: Where everything received goes.
        clock: Stamps what is received, and tells when to send.

    Attributes:
        inputs: Open inputs.
        outputs: Open outputs with what feeds them.
        sentences: What a person should know about them.
    """

    def __init__(self, system: MidiSystem, queue: InputQueue, clock: Clock) -> None:
        self._system, self._queue, self._clock = system, queue, clock
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
                self.inputs.append(publish_input(self._system, virtual, self._queue.put, self._clock))
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
        scheduler = OutputScheduler(port, self._clock)
        self.outputs.append(_Output(port, scheduler, PortOutput(scheduler)))

    def _add_input(self, wanted: str) -> None:
        port = open_input(self._system, wanted, self._queue.put, self._clock, self._guard)
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
        """Reopen what came back; open the first input that turns up where none was named."""
        events = self._watcher.poll(now_s)
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
        """Notes that were so late that they were not sent."""
        return self._n_dropped + sum(out.scheduler.n_stale for out in self.outputs)

    def close(self) -> None:
        """Silence and close everything, each whatever the others do; calling it again does nothing."""
        self._n_dropped = self.dropped()
        tasks: list[Callable[[], None]] = [port.close for port in self.inputs]
        for out in self.outputs:
            tasks += [out.scheduler.close, out.port.close]
        self.inputs, self.outputs = [], []
        tasks.append(self._system.close)
        fault: Exception | None = None
        for task in tasks:
            try:
                task()
            except Exception as error:
                fault = fault or error
        if fault is not None:
            raise fault


@dataclass(frozen=True)
class _Output:
    port: OutputPort
    scheduler: OutputScheduler
    sink: PortOutput = field(repr=False)


def _is_none(name: str) -> bool:
    return name.strip().casefold() == NO_PORT
