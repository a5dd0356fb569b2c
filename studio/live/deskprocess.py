"""The desk in a process of its own, so that a busy window never holds up a note.

Commands go one way through a pipe, views the other, and neither side ever waits for its neighbor. A desk
whose window is gone ends its notes and its take; a window whose desk is gone says so, and can start another.
"""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from studio.live.childprocess import uninterrupted
from studio.live.conductor import Conductor
from studio.live.deskoptions import DeskOptions
from studio.live.deskview import (
    ChooseInput,
    ChooseModel,
    ChooseOutput,
    ChooseSound,
    ChooseTakes,
    Command,
    DeskView,
    Notice,
    SetMeter,
    SetMetronome,
    SetPlayerInstrument,
    SetRecording,
    SetVolume,
    TakeState,
)
from studio.live.deskwire import Frame, Packer, Unpacker
from studio.live.messages import SetMode, SetTempo, Steer
from studio.live.realtime import BESIDE_PRIORITY, ask_for_real_time
from studio.live.soundprocess import start_early
from studio.memory import give_memory_back

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from studio.live.desk import Desk

# Windows has other connection types; both sides here use only what they share.
_Connection: TypeAlias = "connection.Connection[object, object]"

FRAME_S = 1 / 60
"""Pause between views while something happens: as often as windows draw."""

IDLE_S = 0.1
"""Pause between views while nothing happens."""

FROZEN_S = 10.0
"""A desk that has sent views, and sends none for so long, hangs: it is ended, and another can be started."""

CLOSE_S = 10.0
"""Longest end of a desk: its sounds fade, its take is written, its devices are given back."""

_CLOSE = "close"


# The desk's side.


def _desk_main(link: _Connection, build: str, options: DeskOptions) -> None:
    """Run a desk until the window closes it, or is gone."""
    is_over = threading.Event()
    _settle(is_over)
    give_memory_back()
    start_early(options.sound)
    try:
        module, _, name = build.partition(":")
        desk = cast("Desk", getattr(importlib.import_module(module), name)(options))
        with desk:
            sender = threading.Thread(target=_send_views, args=(link, desk, is_over), daemon=True)
            sender.start()
            _listen(link, desk, is_over)
            is_over.set()
            _end_in_time()
            sender.join(timeout=1.0)
        with suppress(OSError):
            # What came of the last take.
            link.send(Packer().pack(desk.view()))
    except Exception as fault:
        with suppress(OSError):
            link.send(f"{type(fault).__name__}: {fault}")


def _settle(is_over: threading.Event) -> None:
    """Leave interrupts of the terminal to the window; whoever ends this process lets it end its notes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: is_over.set())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_in_time() -> None:
    """A device that hangs while it is closed must not keep the process for ever."""
    timer = threading.Timer(CLOSE_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _listen(link: _Connection, desk: Desk, is_over: threading.Event) -> None:
    ask_for_real_time(BESIDE_PRIORITY)
    parent = parent_process()
    ends: list[Any] = [link] if parent is None else [link, parent.sentinel]
    while not is_over.is_set():
        ready = connection.wait(ends, timeout=IDLE_S)
        if link in ready:
            try:
                item = link.recv()
            except (EOFError, OSError):
                return
            if item == _CLOSE:
                return
            desk.do(cast("Command", item))
        elif ready:
            return


def _send_views(link: _Connection, desk: Desk, is_over: threading.Event) -> None:
    ask_for_real_time(BESIDE_PRIORITY)
    packer, waited_s = Packer(), IDLE_S
    while not is_over.wait(FRAME_S):
        view = desk.view()
        frame, waited_s = packer.pack(view), waited_s + FRAME_S
        if frame.is_news or waited_s >= IDLE_S:
            try:
                link.send(frame)
            except OSError:
                return
            packer.keep(view)
            waited_s = 0.0


# The window's side.

AFTER_END = "It starts again by itself; if it stays silent, open Antiphon anew."


def first_view(options: DeskOptions) -> DeskView:
    """What a window may show until the desk has said something."""
    return DeskView(
        snapshot=Conductor(options.config()).snapshot(0.0),
        steering=options.steering,
        feel=options.feel,
        meter=options.meter,
        is_metronome_on=options.is_metronome_on,
        player_instrument=options.player_instrument,
        volumes_db=options.volumes_db,
        model_loading=options.model or "partner",
        take=TakeState(is_recording=options.is_recording),
    )


class RemoteDesk:
    """A desk in a process of its own: the same ``do``, ``view`` and ``close``, from any thread.

    ``do`` never waits; ``view`` is the newest that came. Use as a context manager, or ``start`` and
    ``close``.

    Args:
        options: How it starts.
        build: ``module:name`` of what makes the desk in its process, called with the options.
    """

    def __init__(self, options: DeskOptions | None = None, *, build: str = "studio.live.desk:Desk") -> None:
        self._options, self._build = options or DeskOptions(), build
        self._settings: dict[object, Command] = {}
        self._lock = threading.Lock()
        self._view = replace(first_view(self._options), is_alive=False)
        self._running: _Running | None = None

    def __enter__(self) -> RemoteDesk:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()

    def start(self) -> None:
        """Start the process; views come as soon as it has something to show."""
        with self._lock:
            if self._running is None:
                atexit.register(self.close)
                self._launch(self._options, ())

    def restart(self) -> None:
        """Start another process in the place of one that died, with everything set as it was."""
        with self._lock:
            options, commands = _restored(self._options, self._settings)
            if self._running is not None:
                self._running.close()
            self._launch(options, commands)

    def _launch(self, options: DeskOptions, commands: tuple[Command, ...]) -> None:
        notices = self._view.notices
        first = replace(first_view(options), notices=notices)
        self._view = first
        self._running = _Running(self._build, options, first, self._show)
        for command in commands:
            self._running.send(command)

    def do(self, command: Command) -> None:
        """Pass a command on; without a process it is forgotten, but for what a restart sets again."""
        key = _setting(command)
        if key is not None:
            self._settings[key] = command
        running = self._running
        if running is not None:
            running.send(command)

    def view(self) -> DeskView:
        """The newest look at the instrument; ``is_alive`` is false while there is none."""
        return self._view

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        running = self._running
        return running.process.pid if running is not None and running.is_alive else None

    def close(self) -> None:
        """End every note, the take and the process; calling it again does nothing."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                running.close()
                atexit.unregister(self.close)

    def _show(self, view: DeskView) -> None:
        self._view = view


def _setting(command: Command) -> object | None:
    """What a command sets, so that the newest counts; None for one that only happens."""
    match command:
        case Steer(target=target):
            return Steer, target
        case SetVolume(voice=voice):
            return SetVolume, voice
        case (
            SetTempo() | SetMode() | SetMeter() | SetMetronome() | SetRecording() | SetPlayerInstrument()
            | ChooseInput() | ChooseOutput() | ChooseSound() | ChooseModel() | ChooseTakes()
        ):  # fmt: skip
            return type(command)
        case _:
            return None


_OPTION_OF: dict[object, str] = {
    ChooseInput: "in_port", ChooseOutput: "out_port", ChooseSound: "sound", ChooseModel: "model",
}  # fmt: skip


def _restored(
    options: DeskOptions, settings: dict[object, Command]
) -> tuple[DeskOptions, tuple[Command, ...]]:
    """Options with the devices and the model that were chosen, and the commands that set the rest."""
    chosen: dict[str, Any] = {
        _OPTION_OF[key]: cast("Any", command).name for key, command in settings.items() if key in _OPTION_OF
    }
    rest = tuple(command for key, command in settings.items() if key not in _OPTION_OF)
    return replace(options, **chosen, is_strict=False), rest


class _Running:
    """One process and the two threads that talk to it."""

    def __init__(
        self, build: str, options: DeskOptions, first: DeskView, show: Callable[[DeskView], None]
    ) -> None:
        self._show = show
        self._first = first
        # Numbers of notices go on ascending from one process to the next.
        self._earlier = first.notices
        self._unpacker = Unpacker(first)
        self._outbox: SimpleQueue[object] = SimpleQueue()
        self._is_closing = False
        context = get_context("spawn")
        self._link, far_end = context.Pipe()
        # Not a daemon, which could have no model process of its own; it ends with this end of the pipe.
        self.process: SpawnProcess = context.Process(
            target=_desk_main, args=(far_end, build, options), name="antiphon-desk"
        )
        try:
            with uninterrupted():
                self.process.start()
        finally:
            far_end.close()
        self._threads = [
            threading.Thread(target=task, name=name, daemon=True)
            for task, name in ((self._receive, "desk-views"), (self._transmit, "desk-commands"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return not self._is_closing and self.process.is_alive()

    def send(self, command: object) -> None:
        """Pass something on; never waits."""
        self._outbox.put(command)

    def _transmit(self) -> None:
        while True:
            item = self._outbox.get()
            if item is None:
                return
            with suppress(OSError):
                self._link.send(item)

    def _receive(self) -> None:
        """Take every view in as it comes, so that the newest is never behind an older one."""
        view, sentence = self._first, ""
        with suppress(EOFError, OSError):
            while True:
                if view is not self._first and not self._link.poll(FROZEN_S):
                    sentence = " (it no longer answered)"
                    self.process.kill()
                item = self._link.recv()
                if isinstance(item, Frame):
                    view = self._with_earlier(self._unpacker.unpack(item))
                    self._show(view)
                else:
                    sentence = f" ({item})"
        dead = replace(view, is_alive=False)
        if not self._is_closing:
            number = max((notice.number for notice in dead.notices), default=0) + 1
            words = f"The engine stopped{sentence}. What was played is in its take."
            dead = replace(dead, notices=(*dead.notices, Notice(number, words, AFTER_END)))
        self._show(dead)

    def _with_earlier(self, view: DeskView) -> DeskView:
        """The view with the notices of the processes before, and its own numbered behind them."""
        if not self._earlier:
            return view
        last = self._earlier[-1].number
        own = (replace(notice, number=notice.number + last) for notice in view.notices)
        return replace(view, notices=(*self._earlier, *own))

    def close(self) -> None:
        """End the process: asked first, then told, then by force."""
        was_alive, self._is_closing = self.process.is_alive(), True
        if was_alive:
            self.send(_CLOSE)
            self.process.join(CLOSE_S)
        for end in (self.process.terminate, self.process.kill):
            if self.process.is_alive():
                end()
                self.process.join(1.0)
        self.send(None)
        for thread in self._threads:
            thread.join(timeout=1.0)
        self._link.close()
        with suppress(ValueError):
            self.process.close()
