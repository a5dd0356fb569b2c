"""Keys that work everywhere, and the list of them for the help screen.

Letters and digits that play notes on the Play screen are shortcuts there with Ctrl (Command on a Mac);
elsewhere, or while the computer's keys do not play, they work alone too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.live.deskview import SetMetronome, SetRecording
from studio.live.messages import Panic, SetPlaying, SetTempo
from studio.ui.widget import Key

if TYPE_CHECKING:
    from studio.ui.app import App

SCREEN_KEYS = {"1": "play", "2": "takes", "3": "models", "4": "settings"}

SHORTCUTS: tuple[tuple[str, str, str], ...] = (
    ("Play", "Space", "Start or stop"),
    ("Play", "Esc", "Panic: silence everything"),
    ("Play", "Ctrl R", "Record takes, or not"),
    ("Play", "Ctrl M", "Metronome"),
    ("Play", "Ctrl T", "Tap the tempo"),
    ("Computer keys", "Z S X D C …  /", "Lower octave from C"),
    ("Computer keys", "Q 2 W 3 E …  P", "Upper octave from C"),
    ("Computer keys", "[   ]", "Octave down, up"),
    ("Computer keys", "\N{MINUS SIGN}   =", "Softer, louder"),
    ("Computer keys", "Ctrl K", "Computer keys play notes, or not"),
    ("Window", "Ctrl 1 to 4", "Play, Takes, Models, Settings"),
    ("Window", "F1", "This help"),
    ("Window", "F11", "Full screen"),
    ("Window", "Ctrl +   Ctrl \N{MINUS SIGN}   Ctrl 0", "Larger, smaller, usual size"),
    ("Window", "Tab, arrows, Enter", "Reach and use every control"),
    ("Window", "Ctrl Z   Ctrl Shift Z", "Undo, redo"),
    ("Window", "Ctrl Q", "Quit"),
)
"""Where it belongs, the keys, what they do."""

TAP_RESET_S = 2.0
TAPS_AVERAGED = 5


class TapTempo:
    """Tempo from taps: the mean of the last few distances. Pure."""

    def __init__(self) -> None:
        self._taps_s: list[float] = []

    def tap(self, now_s: float) -> float | None:
        """Another tap; beats a minute from the second on, 20–400."""
        if self._taps_s and now_s - self._taps_s[-1] > TAP_RESET_S:
            self._taps_s.clear()
        self._taps_s.append(now_s)
        del self._taps_s[:-TAPS_AVERAGED]
        span_s = self._taps_s[-1] - self._taps_s[0]
        if span_s <= 0:
            return None
        return min(max(60.0 * (len(self._taps_s) - 1) / span_s, 20.0), 400.0)


def use(app: App, key: Key, *, plays_notes: bool) -> bool:
    """Do what a key stands for everywhere; False when it stands for nothing.

    Args:
        app: The program.
        key: What went down.
        plays_notes: Keys of the piano rows belong to the piano now.
    """
    if key.control:
        return _with_control(app, key)
    plain: dict[str, Callable[[], None]] = {
        "space": lambda: app.do(SetPlaying(0.0, not app.view.snapshot.is_playing)),
        "escape": lambda: app.do(Panic(0.0)),
        "f1": app.toggle_help,
        "f11": app.toggle_full_screen,
    }
    if not plays_notes:
        plain |= _letters(app)
    return _call(plain.get(key.name), key)


def _with_control(app: App, key: Key) -> bool:
    deeds = _letters(app) | {
        "z": app.redo if key.shift else app.undo,
        "y": app.redo,
        "q": app.close,
        "k": app.toggle_keys,
        "0": lambda: app.rescale(None),
    }
    if key.name in {"+", "=", "[+]"} or key.text == "+":
        deeds[key.name] = lambda: app.zoom(1)
    if key.name in {"-", "[-]"}:
        deeds[key.name] = lambda: app.zoom(-1)
    return _call(deeds.get(key.name), key)


def _letters(app: App) -> dict[str, Callable[[], None]]:
    """What letters and digits do where they play no notes."""
    view = app.view
    deeds: dict[str, Callable[[], None]] = {
        "r": lambda: app.do(SetRecording(not view.take.is_recording)),
        "m": lambda: app.do(SetMetronome(not view.is_metronome_on)),
        "t": lambda: _tap(app),
    }
    for digit, screen in SCREEN_KEYS.items():
        deeds[digit] = _goes(app, screen)
    return deeds


def _goes(app: App, screen: str) -> Callable[[], None]:
    return lambda: app.go(screen)


def _tap(app: App) -> None:
    bpm = app.taps.tap(app.now_s)
    if bpm is not None:
        app.do(SetTempo(0.0, bpm))


def _call(deed: Callable[[], None] | None, key: Key) -> bool:
    """A held key does its deed once."""
    if deed is None:
        return False
    if not key.is_repeat:
        deed()
    return True
