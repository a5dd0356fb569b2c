"""The scrolling score: what was heard left of the now-line, what the partner will play right of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pygame

from midi.events import DRUMS
from studio.live.deskview import DeskView, RollNote
from studio.live.messages import Voice
from studio.ui.paint import Painter, text_image
from studio.ui.play import backdrop, sprites
from studio.ui.play.chords import readable
from studio.ui.play.clock import Eased, SmoothClock
from studio.ui.play.emptyscore import draw_empty
from studio.ui.play.geometry import RollGeometry
from studio.ui.play.notes import NotePen
from studio.ui.play.pitchrange import PitchRange
from studio.ui.theme import EDGE, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, SPACE_PX, mixed
from studio.ui.widget import Pointer, Ui, Widget

HEADER_PX, GUTTER_PX, DRUMS_PX = 48, 44, 56
SHOWN_BEATS = 10.2
"""Beats across the score before anyone zooms: at the now-line's place nearly four of them lie ahead."""

BEAT_PX = (64, 160)
"""Least and most width of a beat at that, logical pixels."""

ZOOM = (0.5, 2.5)

LANE_PX = 17
"""Lanes grow no higher than about this."""

FRAME_S = 1 / 60
_NOTCH = 1.12
_REGION_GLIDE_S = 0.12


class Score(Widget):
    """The piano roll with its chord strip and drum lane; the wheel zooms in time.

    Args:
        ui: The program around it.
        name: Of the widget.
    """

    is_panel = True

    def __init__(self, ui: Ui, name: str = "score") -> None:
        super().__init__(ui, name)
        self.clock = SmoothClock()
        self.tooltip = ""
        self.zoom = 1.0
        self._range = PitchRange()
        self._commit = Eased(0.0, _REGION_GLIDE_S)
        self._lookahead = Eased(0.0, _REGION_GLIDE_S)
        self._drawn_s = float("-inf")
        self._seen: DeskView | None = None

    # What is shown.

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be shown yet."""
        view = self.ui.view
        return not (view.roll or view.snapshot.ghosts or view.snapshot.committed)

    @property
    def _is_waiting(self) -> bool:
        """Before the first note of all, time stands and needs no lines."""
        return self.is_empty and not self.ui.view.snapshot.is_playing

    def look(self, view: DeskView) -> None:
        """Draw every frame while music runs, else only what changed."""
        if view.snapshot.is_playing or self._range.is_moving or self._is_new(view):
            self.mark()
        self._seen = view

    def _is_new(self, view: DeskView) -> bool:
        old = self._seen
        return old is None or (
            (old.roll, old.chords, old.snapshot.beat, old.snapshot.committed, old.snapshot.ghosts, old.meter)
            != (
                view.roll,
                view.chords,
                view.snapshot.beat,
                view.snapshot.committed,
                view.snapshot.ghosts,
                view.meter,
            )
        )

    def _pitches(self, view: DeskView, from_tick: float) -> Iterator[int]:
        for note in view.roll:
            if note.instrument != DRUMS and (note.end_ticks is None or note.end_ticks >= from_tick):
                yield note.pitch
        for planned in (*view.snapshot.committed, *view.snapshot.ghosts):
            if planned.instrument != DRUMS:
                yield planned.pitch

    @property
    def has_drums(self) -> bool:
        """Whether the drum lane is shown: drums are among the parts, or were heard lately."""
        view = self.ui.view
        return DRUMS in view.snapshot.steering.instruments or any(
            note.instrument == DRUMS for note in view.roll
        )

    @property
    def beat_px(self) -> float:
        """Width of a beat, display pixels."""
        scale = self.ui.theme.scale
        natural = min(max(self.rect.width / scale / SHOWN_BEATS, BEAT_PX[0]), BEAT_PX[1])
        return natural * self.zoom * scale

    def geometry(self) -> RollGeometry:
        """The plane of the notes as it stands."""
        px = self.ui.theme.px
        drums = px(DRUMS_PX) if self.has_drums else 0
        rect = pygame.Rect(
            self.rect.left + px(GUTTER_PX),
            self.rect.top + px(HEADER_PX),
            max(1, self.rect.width - px(GUTTER_PX)),
            max(1, self.rect.height - px(HEADER_PX) - drums),
        )
        low, high = self._range.low, self._range.high
        return RollGeometry(
            rect,
            self.beat_px,
            self.clock.beat * 24.0,
            low,
            rect.height / max(1.0, high - low),
        )

    def drum_lane(self, roll: RollGeometry) -> pygame.Rect:
        """The drum lane below the plane; of no height where there is none."""
        top = roll.rect.bottom
        return pygame.Rect(roll.rect.left, top, roll.rect.width, max(0, self.rect.bottom - top))

    # Events.

    def pointer(self, event: Pointer) -> bool:
        """The wheel shows more or fewer beats."""
        if event.kind != "wheel":
            return False
        self.zoom = min(max(self.zoom * _NOTCH**event.wheel, ZOOM[0]), ZOOM[1])
        self.mark()
        return True

    # Drawing.

    def draw(self, painter: Painter) -> None:
        """Everything, from the ground up."""
        view, now_s = self.ui.view, self.ui.now_s
        passed_s = min(max(now_s - self._drawn_s, 0.0), 0.1) if math.isfinite(self._drawn_s) else 10.0
        self._drawn_s = now_s
        self._advance(view, now_s, passed_s)
        roll = self.geometry()
        painter.surface.fill(PANEL, (*self.rect.topleft, self.rect.width, roll.rect.top - self.rect.top))
        self._draw_plane(painter, roll, view)
        if not self._is_waiting:
            self._draw_header(painter, roll)
        painter.surface.fill(EDGE, (self.rect.left, roll.rect.top - 1, self.rect.width, 1))
        backdrop.draw_gutter(painter, self._gutter(roll), roll)
        if self.is_empty:
            draw_empty(painter, roll.rect)
        if view.snapshot.is_playing or self._range.is_moving:
            self.ui.wake(FRAME_S)

    def _advance(self, view: DeskView, now_s: float, passed_s: float) -> None:
        beat = self.clock.advance(view.snapshot, now_s)
        ahead = (beat - view.snapshot.beat) * 24.0
        self._commit.step(max(0.0, view.snapshot.commit_ticks - ahead), passed_s, snap=0.01)
        self._lookahead.step(max(0.0, view.snapshot.lookahead_ticks - ahead), passed_s, snap=0.01)
        height_px = self.rect.height / self.ui.theme.scale - HEADER_PX
        first_tick = self.geometry().first_tick
        self._range.step(self._pitches(view, first_tick), passed_s, max(24, int(height_px / LANE_PX)))

    def _gutter(self, roll: RollGeometry) -> pygame.Rect:
        return pygame.Rect(self.rect.left, roll.rect.top, roll.rect.left - self.rect.left, roll.rect.height)

    def _draw_plane(self, painter: Painter, roll: RollGeometry, view: DeskView) -> None:
        surface, drums = painter.surface, self.drum_lane(roll)
        clip = surface.get_clip()
        surface.set_clip(clip.clip(roll.rect.union(drums)))
        regions = backdrop.stretches(roll, self._commit.value, self._lookahead.value)
        backdrop.draw_lanes(surface, roll, regions)
        for stretch in regions:
            surface.fill(
                backdrop.ground(stretch.region, black=True),
                (stretch.left, drums.top, stretch.right - stretch.left, drums.height),
            )
        if not self._is_waiting:
            self._draw_lines(painter, roll, view, drums)
            self._draw_notes(NotePen(surface, roll, drums, painter.px(3), painter.px(1)), view, roll)
            self._draw_now(painter, roll, drums)
        surface.set_clip(clip)
        if drums.height:
            gutter = pygame.Rect(self.rect.left, drums.top, roll.rect.left - self.rect.left, drums.height)
            surface.fill(PANEL, gutter)
            surface.fill(EDGE, (gutter.right - 1, drums.top, 1, drums.height))
            surface.fill(EDGE, (self.rect.left, drums.top, self.rect.width, painter.px(1)))
            _draw_drum_name(painter, gutter)

    def _draw_lines(self, painter: Painter, roll: RollGeometry, view: DeskView, drums: pygame.Rect) -> None:
        height = drums.bottom - roll.rect.top
        unit = 4.0 / view.meter[1]
        for line in backdrop.beat_lines(roll, view.snapshot.beats_per_bar, unit):
            color = backdrop.BAR_LINE if line.bar else backdrop.BEAT_LINE
            painter.surface.fill(color, (line.x, roll.rect.top, painter.px(1), height))
        commit_x = roll.tick_x(roll.now_ticks + self._commit.value)
        if commit_x > roll.now_x and view.snapshot.is_playing:
            dash = painter.px(4)
            for y in range(roll.rect.top, drums.bottom, dash * 2):
                painter.surface.fill(mixed(PANEL, PARTNER, 0.5), (commit_x, y, painter.px(1), dash))

    def _draw_notes(self, pen: NotePen, view: DeskView, roll: RollGeometry) -> None:
        for ghost in view.snapshot.ghosts:
            pen.ghost(ghost)
        for planned in view.snapshot.committed:
            pen.committed(planned)
        for note in sorted_for_drawing(visible(view.roll, roll)):
            pen.heard(note)

    def _draw_now(self, painter: Painter, roll: RollGeometry, drums: pygame.Rect) -> None:
        glow, height = painter.px(14), drums.bottom - roll.rect.top
        painter.surface.blit(sprites.fade(glow, height, INK, 0, 26), (roll.now_x - glow, roll.rect.top))
        painter.surface.fill(INK, (roll.now_x, roll.rect.top, painter.px(1.5), height))

    def _draw_header(self, painter: Painter, roll: RollGeometry) -> None:
        surface, scale = painter.surface, painter.theme.scale
        strip = pygame.Rect(roll.rect.left, self.rect.top, roll.rect.width, roll.rect.top - self.rect.top)
        clip = surface.get_clip()
        surface.set_clip(clip.clip(strip))
        view = self.ui.view
        for line in backdrop.beat_lines(roll, view.snapshot.beats_per_bar, 4.0 / view.meter[1]):
            if line.bar:
                surface.fill(
                    backdrop.BAR_LINE, (line.x, strip.bottom - painter.px(8), painter.px(1), painter.px(8))
                )
                image = text_image(str(line.bar), "tiny", "medium", INK_FAINT, scale)
                surface.blit(
                    image, (line.x + painter.px(5), strip.bottom - painter.px(1) - image.get_height())
                )
        self._draw_chords(painter, roll, strip)
        surface.fill(INK, (roll.now_x, strip.bottom - painter.px(6), painter.px(1.5), painter.px(6)))
        surface.set_clip(clip)

    def _draw_chords(self, painter: Painter, roll: RollGeometry, strip: pygame.Rect) -> None:
        """Each name where it was first heard; one that has gone on since before the strip, at its edge."""
        scale, heard = painter.theme.scale, self.ui.view.chords
        middle = strip.top + painter.px(18)
        right = strip.right
        for number in range(len(heard) - 1, -1, -1):
            ticks, name = heard[number]
            x, is_current = roll.tick_x(ticks), number == len(heard) - 1
            if name:
                image = text_image(
                    readable(name),
                    "title" if is_current else "body",
                    "bold" if is_current else "medium",
                    INK if is_current else INK_SOFT,
                    scale,
                )
                left = max(x, strip.left + painter.px(SPACE_PX))
                if left + image.get_width() + painter.px(6) <= right:
                    painter.surface.blit(image, image.get_rect(left=left, centery=middle))
            right = min(right, x)
            if right < strip.left:
                break


def visible(roll_notes: tuple[RollNote, ...], roll: RollGeometry) -> Iterator[RollNote]:
    """Heard notes of which something can be seen on the plane."""
    first, last = roll.first_tick - 6, roll.last_tick
    for note in roll_notes:
        if note.onset_ticks <= last and (
            note.end_ticks is None
            or note.end_ticks >= first
            or (note.instrument == DRUMS and note.onset_ticks >= first)
        ):
            yield note


def sorted_for_drawing(notes: Iterator[RollNote]) -> list[RollNote]:
    """The partner's below the player's."""
    return sorted(notes, key=lambda note: note.voice is Voice.PLAYER)


def _draw_drum_name(painter: Painter, rect: pygame.Rect) -> None:
    inner = rect.inflate(-painter.px(6), 0)
    painter.text("Drums", inner, size="tiny", weight="medium", color=INK_FAINT, align="center")
