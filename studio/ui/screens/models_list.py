"""Rows of the Models screen's list: the rules, then every bundle with its versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import pygame

from studio.ui.lists import RowState
from studio.ui.paint import Painter
from studio.ui.screens.models_card import plays_live
from studio.ui.screens.models_shelf import Bundle, version_key
from studio.ui.screens.prose import badge, badge_width
from studio.ui.theme import ALARM, GOOD, INK, INK_FAINT, INK_SOFT, PANEL, PARTNER, RAISED, mixed


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of the list.

    Attributes:
        title: What the desk calls it: ``name@version``, or ``none`` for the rules.
        words: What people call it.
        detail: Said more softly.
        bundle: What it is; None for the rules.
        is_usable: It can play along.
        badge: A word at the right; may be empty.
    """

    title: str
    words: str
    detail: str
    bundle: Bundle | None = None
    is_usable: bool = True
    badge: str = ""

    @property
    def can_preview(self) -> bool:
        """Whether it can be heard: partners can."""
        return self.bundle is not None and self.is_usable


RULES_ROW = ModelRow("none", "Rules", "Always there; no model")


def model_rows(bundles: Iterable[Bundle]) -> list[ModelRow]:
    """Partners first, the current version of each before its others, then the rules, then the rest."""
    groups = [
        list(group) for _, group in groupby(sorted(bundles, key=lambda b: b.name), key=lambda b: b.name)
    ]
    groups.sort(key=lambda group: (not any(plays_live(each) for each in group), group[0].name))
    partners: list[ModelRow] = []
    others: list[ModelRow] = []
    for group in groups:
        group.sort(key=lambda each: version_key(each.version), reverse=True)
        group.sort(key=lambda each: not each.is_current)
        rows = [_row(each, has_versions=len(group) > 1) for each in group]
        (partners if any(row.is_usable for row in rows) else others).extend(rows)
    return [*partners, RULES_ROW, *others]


def _row(bundle: Bundle, *, has_versions: bool) -> ModelRow:
    words = f"{bundle.name} {bundle.version}" if has_versions else bundle.name
    about = str(bundle.manifest.get("licence", "")) if plays_live(bundle) else "does not play live"
    detail = bundle.problem or f"{bundle.size_mb:.0f} MB  ·  {about}"
    word = "current" if has_versions and bundle.is_current else ""
    return ModelRow(bundle.title, words, detail, bundle, plays_live(bundle), word)


def draw_model_row(
    painter: Painter, rect: pygame.Rect, row: ModelRow, *, is_playing: bool, state: RowState
) -> None:
    """An icon, a name, a line; a lamp on the one that plays."""
    px = painter.px
    tile = pygame.Rect(rect.left + px(10), 0, px(36), px(36))
    tile.centery = rect.centery
    is_rules = row.bundle is None
    accent = PARTNER if row.is_usable else INK_FAINT
    painter.box(tile, mixed(PANEL, accent, 0.22 if is_playing else 0.1), radius_px=9)
    icon = "list" if is_rules else "spark" if row.is_usable else "cube"
    painter.icon(icon, tile, accent if row.is_usable else INK_SOFT, size_px=18)
    left = tile.right + px(14)
    room = pygame.Rect(left, rect.top + px(12), rect.right - px(12) - left, px(20))
    taken = 0
    if is_playing:
        painter.disc((rect.right - px(16), room.centery), 4, GOOD)
        taken = px(20)
    elif row.badge:
        taken = badge_width(row.badge, painter.theme)
        badge(painter, row.badge, rect.right - px(8) - taken, room.centery, ground=mixed(PANEL, RAISED, 0.8))
    has_problem = row.bundle is not None and bool(row.bundle.problem)
    room.width -= taken
    painter.text(
        row.words, room, weight="medium", color=INK if row.is_usable or state.is_selected else INK_SOFT
    )
    line = pygame.Rect(left, room.bottom, rect.right - px(12) - left, px(20))
    color = mixed(PANEL, ALARM, 0.8) if has_problem else INK_SOFT
    painter.text(row.detail, line, size="small", color=color)
