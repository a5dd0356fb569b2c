"""The large piano roll of a take: bars, notes, where playback stands, and the bar from which to try again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pygame

from midi.theory import BLACK_KEYS
from studio.ui.paint import Painter, text_image, text_width
from studio.ui.play.notes import DRUM_ROWS, drum_row
from studio.ui.play.sprites import diamond, draw_bar
from studio.ui.screens.takes_picture import PictureNote, TakePicture
from studio.ui.theme import EDGE, GROUND, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, PLAYER, Color, mixed
from studio.ui.widget import Key, Pointer, Ui, Widget

LANE: Color = mixed(GROUND, PANEL, 0.7)
LANE_BLACK: Color = mixed(GROUND, PANEL, 0.3)
BAR_LINE: Color = mixed(PANEL, EDGE, 0.9)
OCTAVE: Color = mixed(PANEL, EDGE, 0.55)
CHOSEN: Color = mixed(LANE, PARTNER, 0.13)
AGAIN: Color = mixed(LANE, PARTNER, 0.03)
"""Ground of the bars that the partner would play anew."""

HEAD_PX, GUTTER_PX, MAP_PX = 26, 42, 34
DRUMS_PX = 44
LEAST_BAR_PX = 56
"""Bars get no narrower than this; a longer take is scrolled."""

NUMBER_ROOM_PX = 34
SILENCE = TakePicture((), (0.0, 1.0), 0.0, 48, 72)
"""Stands in while a take is being read."""


def bars_shown(width_px: int, n_bars: int, least_px: int) -> int:
    """How many bars a plane shows: all, or as many as fit."""
    return max(1, min(n_bars, width_px // max(1, least_px)))


def number_step(bar_px: float, room_px: float) -> int:
    """Every how many bars a number is written, so that none touches the next."""
    return next((step for step in (1, 2, 4, 8, 16, 32) if step * bar_px >= room_px), 64)


class TakeRoll(Widget):
    """A take, large. A click chooses a bar and a place to play from; the arrow keys move on by bars.

    Args:
        ui: The program around it.
        name: Of the widget.
        choose: Told the bar (from 1) and the second of a click.
        play: Told the second to play from: after a double click, or Enter.

    Attributes:
        picture: What is shown; None while it is being read.
        chosen_bar: Bar from which the partner would try again, from 1.
        cursor_s: Where playback stands, or would begin.
        is_playing: The cursor moves, and the view follows it.
    """

    takes_focus = True

    def __init__(
        self, ui: Ui, name: str, choose: Callable[[int, float], None], play: Callable[[float], None]
    ) -> None:
        super().__init__(ui, name)
        self.picture: TakePicture | None = None
        self.chosen_bar = 1
        self.cursor_s = 0.0
        self.is_playing = False
        self.first_bar = 1
        self._choose, self._play = choose, play
        self._cache: pygame.Surface | None = None
        self._cache_key: tuple[object, ...] = ()
        self._map: pygame.Surface | None = None
        self._map_key: tuple[object, ...] = ()
        self._is_seeking = False

    # What it shows.

    def show(self, picture: TakePicture | None) -> None:
        """Another take, from its beginning."""
        self.picture, self.chosen_bar, self.first_bar, self.cursor_s = picture, 1, 1, 0.0
        self.mark()

    def update(self, picture: TakePicture) -> None:
        """The same take, longer than before."""
        self.picture = picture
        self.mark()

    def move_cursor(self, at_s: float, *, is_playing: bool) -> None:
        """Playback stands at ``at_s``; while it plays the view follows by pages."""
        if self.picture is None or (at_s == self.cursor_s and is_playing == self.is_playing):
            return
        moved = self._x_of(at_s) != self._x_of(self.cursor_s) or is_playing != self.is_playing
        self.cursor_s, self.is_playing = at_s, is_playing
        if is_playing:
            bar = self._seen.bar_at(at_s)
            if not self.first_bar <= bar < self.first_bar + self._n_shown():
                self.scroll_to(bar)
        if moved:
            self.mark()

    def scroll_to(self, bar: int) -> None:
        """Let a bar be the first one shown, as far as the end allows."""
        if self.picture is not None:
            last = self._seen.n_bars - self._n_shown() + 1
            self.first_bar = min(max(bar, 1), max(last, 1))
            self.mark()

    def choose_bar(self, bar: int, at_s: float | None = None) -> None:
        """Choose a bar, and a place in it to play from: its beginning unless told otherwise."""
        if self.picture is None:
            return
        self.chosen_bar = min(max(bar, 1), self._seen.n_bars)
        self.cursor_s = self._seen.start_s(self.chosen_bar) if at_s is None else at_s
        if self.chosen_bar < self.first_bar:
            self.scroll_to(self.chosen_bar)
        elif self.chosen_bar >= self.first_bar + self._n_shown():
            self.scroll_to(self.chosen_bar - self._n_shown() + 1)
        self._choose(self.chosen_bar, self.cursor_s)
        self.mark()

    # Where things are.

    @property
    def _seen(self) -> TakePicture:
        """The picture, or one of a silent bar."""
        return self.picture or SILENCE

    @property
    def plane(self) -> pygame.Rect:
        """Where notes stand, but for drums."""
        px = self.ui.theme.px
        bottom = px(MAP_PX) + px(8) if self._is_scrolled() else 0
        bottom += px(DRUMS_PX) if self._seen.has_drums else 0
        return pygame.Rect(
            self.rect.left + px(GUTTER_PX), self.rect.top + px(HEAD_PX),
            max(1, self.rect.width - px(GUTTER_PX)), max(1, self.rect.height - px(HEAD_PX) - bottom),
        )  # fmt: skip

    @property
    def drums(self) -> pygame.Rect:
        """Where drums stand, below the plane; of no height where there are none."""
        plane, height = self.plane, self.ui.theme.px(DRUMS_PX) if self._seen.has_drums else 0
        return pygame.Rect(plane.left, plane.bottom, plane.width, height)

    @property
    def overview(self) -> pygame.Rect:
        """The strip that shows the whole of a long take; empty for a short one."""
        px = self.ui.theme.px
        height = px(MAP_PX) if self._is_scrolled() else 0
        plane = self.plane
        return pygame.Rect(plane.left, self.rect.bottom - height, plane.width, height)

    def _wide(self) -> int:
        return max(1, self.rect.width - self.ui.theme.px(GUTTER_PX))

    def _n_shown(self) -> int:
        n_bars = self._seen.n_bars
        return bars_shown(self._wide(), n_bars, self.ui.theme.px(LEAST_BAR_PX))

    def _is_scrolled(self) -> bool:
        return self.picture is not None and self._n_shown() < self._seen.n_bars

    def _window(self) -> tuple[float, float]:
        """First and last second shown."""
        start = self._seen.bars_s[self.first_bar - 1]
        end = self._seen.bars_s[min(self.first_bar - 1 + self._n_shown(), self._seen.n_bars)]
        return start, max(end, start + 1e-3)

    def _x_of(self, at_s: float) -> int:
        start, end = self._window()
        return self.plane.left + round((at_s - start) / (end - start) * self.plane.width)

    def second_at(self, x: int) -> float:
        """The second of the take at a place, within the take."""
        if self.picture is None:
            return 0.0
        start, end = self._window()
        at_s = start + (x - self.plane.left) / self.plane.width * (end - start)
        return min(max(at_s, 0.0), self._seen.bars_s[-1] - 1e-3)

    # What it does.

    def pointer(self, event: Pointer) -> bool:
        """Click to choose and seek, double-click to play, wheel to scroll, drag on the overview."""
        if self.picture is None:
            return False
        if event.kind == "wheel":
            self.scroll_to(self.first_bar - round(event.wheel * max(1, self._n_shown() // 8)))
        elif event.kind == "down" and event.button == 1:
            self._press(event)
        elif event.kind == "move" and self._is_seeking:
            self._jump(event.x)
        elif event.kind == "up" and self._is_seeking:
            self._is_seeking = False
            self.ui.capture(None)
        else:
            return False
        return True

    def _press(self, event: Pointer) -> None:
        self.ui.focus(self)
        if self.overview.collidepoint(event.x, event.y):
            self._is_seeking = True
            self.ui.capture(self)
            self._jump(event.x)
            return
        at_s = self.second_at(event.x)
        self.choose_bar(self._seen.bar_at(at_s), at_s)
        if event.clicks == 2:
            self._play(at_s)

    def _jump(self, x: int) -> None:
        share = (x - self.overview.left) / max(1, self.overview.width)
        self.scroll_to(self._seen.bar_at(share * self._seen.bars_s[-1]) - self._n_shown() // 2)

    def key(self, event: Key) -> bool:
        """Arrows move by bars, Enter plays from the chosen bar."""
        if self.picture is None or not event.is_down:
            return False
        steps = {"left": -1, "right": 1, "page up": -8, "page down": 8, "pageup": -8, "pagedown": 8}
        if event.name in steps:
            self.choose_bar(self.chosen_bar + steps[event.name])
        elif event.name in {"home", "end"}:
            self.choose_bar(1 if event.name == "home" else self._seen.n_bars)
        elif event.name in {"return", "enter"}:
            self._play(self.cursor_s)
        else:
            return False
        return True

    # How it looks.

    def draw(self, painter: Painter) -> None:
        """The ground and notes from a cache, the choice and the cursor over them."""
        radius = 6
        painter.box(self.rect, mixed(GROUND, PANEL, 0.45), radius_px=radius)
        if self.picture is None:
            painter.text("Reading the take…", self.rect, color=INK_FAINT, align="center")
            return
        plane = self.plane.union(self.drums)
        key = (plane.size, self.first_bar, id(self.picture), self.chosen_bar, painter.theme.scale)
        if self._cache is None or key != self._cache_key:
            self._cache, self._cache_key = self._ground(painter), key
        painter.surface.blit(self._cache, plane)
        self._draw_numbers(painter)
        self._draw_gutter(painter)
        self._draw_cursor(painter)
        if self._is_scrolled():
            self._draw_overview(painter)
        if self.ui.is_focused(self):
            pygame.draw.rect(
                painter.surface, mixed(PANEL, PLAYER, 0.7), self.rect, painter.px(1), painter.px(radius)
            )

    def _ground(self, painter: Painter) -> pygame.Surface:
        """Lanes, lines and notes of the bars shown, from the plane's corner."""
        plane, drums = self.plane.union(self.drums), self.drums
        image = pygame.Surface(plane.size)
        image.fill(LANE)
        again_x = max(0, self._x_of(self._seen.start_s(self.chosen_bar)) - plane.left)
        next_x = self._x_of(self._seen.bars_s[self.chosen_bar]) - plane.left
        image.fill(AGAIN, (again_x, 0, plane.width, plane.height))
        if next_x > 0:
            image.fill(CHOSEN, (again_x, 0, next_x - again_x, plane.height))
        for pitch in range(self._seen.low_pitch, self._seen.high_pitch + 1):
            top, bottom = self._lane(pitch)
            if pitch % 12 in BLACK_KEYS:
                shade = pygame.Surface((plane.width, bottom - top), pygame.SRCALPHA)
                shade.fill((*GROUND, 110))
                image.blit(shade, (0, top))
            elif pitch % 12 == 0:
                image.fill(OCTAVE, (0, bottom - 1, plane.width, 1))
        if drums.height:
            top = drums.top - plane.top
            shade = pygame.Surface(drums.size, pygame.SRCALPHA)
            shade.fill((*GROUND, 110))
            image.blit(shade, (0, top))
            image.fill(BAR_LINE, (0, top, drums.width, painter.px(1)))
        for _, x in self._lines():
            image.fill(BAR_LINE, (x - plane.left, 0, 1, plane.height))
        for note in self._seen.notes:
            self._draw_note(image, note, painter)
        return image

    def _lane(self, pitch: int) -> tuple[int, int]:
        """Upper and lower edge of a pitch, from the plane's top."""
        rows = self._seen.high_pitch - self._seen.low_pitch + 1
        height = self.plane.height
        top = round((self._seen.high_pitch - pitch) * height / rows)
        return top, round((self._seen.high_pitch - pitch + 1) * height / rows)

    def _draw_note(self, image: pygame.Surface, note: PictureNote, painter: Painter) -> None:
        start, end = self._window()
        if note.off_s < start or note.on_s > end:
            return
        left, right = self._x_of(note.on_s) - self.plane.left, self._x_of(note.off_s) - self.plane.left
        loud = 0.5 + 0.5 * (min(max(note.velocity, 1), 127) // 8) / 15
        color = mixed(GROUND, PLAYER if note.is_player else PARTNER, loud)
        if note.is_drum:
            row_px = self.drums.height / (DRUM_ROWS + 0.5)
            size = max(5, round(row_px * 0.9)) | 1
            y = image.get_height() - round((drum_row(note.pitch) + 0.75) * row_px)
            image.blit(diamond(size, color, None), (left - size // 2, y - size // 2))
            return
        top, bottom = self._lane(note.pitch)
        gap = 1 if bottom - top >= 5 else 0
        rect = pygame.Rect(left, top + gap, max(3, right - left - 1), max(2, bottom - top - gap))
        draw_bar(image, rect, painter.px(3), color)

    def _lines(self) -> Iterator[tuple[int, int]]:
        """Bars shown with the place of their line."""
        for bar in range(self.first_bar, min(self.first_bar + self._n_shown(), self._seen.n_bars) + 1):
            yield bar, self._x_of(self._seen.bars_s[bar - 1])

    def _draw_numbers(self, painter: Painter) -> None:
        step = number_step(self.plane.width / self._n_shown(), painter.px(NUMBER_ROOM_PX))
        last = min(self.first_bar + self._n_shown() - 1, self._seen.n_bars)
        for bar, x in self._lines():
            is_chosen = bar == self.chosen_bar
            near = abs(bar - self.chosen_bar) * self.plane.width / self._n_shown() < painter.px(
                NUMBER_ROOM_PX
            )
            if bar > last or not (is_chosen or ((bar - 1) % step == 0 and not near)):
                continue
            if is_chosen:
                self._draw_flag(painter, bar, x)
            else:
                room = pygame.Rect(x + painter.px(5), self.rect.top, painter.px(60), painter.px(HEAD_PX))
                painter.text(str(bar), room, size="tiny", color=INK_FAINT, weight="medium")

    def _draw_flag(self, painter: Painter, bar: int, x: int) -> None:
        words = f"Bar {bar}"
        width = text_width(words, "tiny", "bold", painter.theme.scale) + painter.px(12)
        left = min(x, self.plane.right - width)
        flag = pygame.Rect(left, self.rect.top + painter.px(5), width, painter.px(HEAD_PX - 8))
        painter.box(flag, PARTNER, radius_px=4)
        painter.text(words, flag, size="tiny", color=GROUND, weight="bold", align="center")
        height = self.drums.bottom - self.plane.top
        painter.surface.fill(mixed(LANE, PARTNER, 0.8), (x, self.plane.top, painter.px(1), height))

    def _draw_gutter(self, painter: Painter) -> None:
        plane = self.plane
        if self.drums.height:
            name = pygame.Rect(self.rect.left, self.drums.top, plane.left - self.rect.left, self.drums.height)
            name.width -= painter.px(5)
            painter.text("Drums", name, size="tiny", color=INK_FAINT, weight="medium", align="right")
        for pitch in range(self._seen.low_pitch, self._seen.high_pitch + 1):
            if pitch % 12 == 0:
                image = text_image(f"C{pitch // 12 - 1}", "tiny", "medium", INK_FAINT, painter.theme.scale)
                middle = plane.top + sum(self._lane(pitch)) // 2
                place = image.get_rect(right=plane.left - painter.px(7), centery=middle)
                place.clamp_ip(pygame.Rect(self.rect.left, plane.top, plane.width, plane.height))
                painter.surface.blit(image, place)

    def _draw_cursor(self, painter: Painter) -> None:
        plane, x = self.plane, self._x_of(self.cursor_s)
        if not plane.left - 1 <= x <= plane.right:
            return
        color = INK if self.is_playing else INK_SOFT
        painter.surface.fill(color, (x, plane.top, painter.px(1.5), self.drums.bottom - plane.top))
        size = painter.px(5)
        points = [(x - size, plane.top - size), (x + size + 1, plane.top - size), (x, plane.top + 1)]
        pygame.draw.polygon(painter.surface, color, points)

    def _draw_overview(self, painter: Painter) -> None:
        strip, end_s = self.overview, self._seen.bars_s[-1]
        key = (strip.size, id(self.picture))
        if self._map is None or key != self._map_key:
            self._map, self._map_key = self._drawn_map(painter), key
        painter.image(self._map, strip)
        start, end = self._window()
        left, right = (strip.left + round(at / end_s * strip.width) for at in (start, end))
        frame = pygame.Rect(left, strip.top, max(4, right - left), strip.height)
        veil = pygame.Surface(frame.size, pygame.SRCALPHA)
        veil.fill((*INK, 18))
        painter.surface.blit(veil, frame)
        pygame.draw.rect(painter.surface, INK_SOFT, frame, painter.px(1), painter.px(4))
        at = strip.left + round(self.cursor_s / end_s * strip.width)
        painter.surface.fill(INK, (at, strip.top, painter.px(1), strip.height))

    def _drawn_map(self, painter: Painter) -> pygame.Surface:
        """Every note of the take on the strip, from its corner."""
        strip, end_s = self.overview, self._seen.bars_s[-1]
        image = pygame.Surface(strip.size)
        image.fill(mixed(GROUND, PANEL, 0.45))
        local = Painter(image, painter.theme)
        local.box(image.get_rect(), LANE_BLACK, radius_px=4)
        lane = painter.px(6) if self._seen.has_drums else 0
        rows = self._seen.high_pitch - self._seen.low_pitch + 1
        for note in self._seen.notes:
            x = math.floor(note.on_s / end_s * strip.width)
            width = max(1, round((note.off_s - note.on_s) / end_s * strip.width))
            y = round((self._seen.high_pitch - note.pitch) / rows * (strip.height - 4 - lane)) + 1
            if note.is_drum:
                y = strip.height - painter.px(4)
            color = mixed(LANE_BLACK, PLAYER if note.is_player else PARTNER, 0.75)
            image.fill(color, (x, y, min(width, strip.width - x), painter.px(1)))
        return image
