"""The picture area: whatever source it is given, redrawn while music runs."""

from __future__ import annotations

from studio.live.deskview import DeskView
from studio.ui.paint import Painter
from studio.ui.play.visual import PictureSource, Visual
from studio.ui.theme import GROUND
from studio.ui.widget import Ui, Widget

FRAME_S = 1 / 31
"""The picture moves slowly; half of the window's frames are enough for it."""

_REST_S = 2.5
"""It goes on this long after the last sound, so that it can come to rest."""


class PicturePanel(Widget):
    """Shows a picture source. Another one may take the place of the built-in at any time.

    Args:
        ui: The program around it.
        name: Of the widget.

    Attributes:
        source: Where pictures come from.
    """

    is_panel = True

    def __init__(self, ui: Ui, name: str = "picture") -> None:
        super().__init__(ui, name)
        self.source: PictureSource = Visual()
        self._drawn_s = float("-inf")
        self._moving_until_s = 0.0

    def look(self, view: DeskView) -> None:
        """Draw while there is music, and a little longer."""
        now_s = self.ui.now_s
        snapshot = view.snapshot
        if snapshot.is_playing or snapshot.held or snapshot.partner_held:
            self._moving_until_s = now_s + _REST_S
        if now_s < self._moving_until_s and now_s - self._drawn_s >= FRAME_S:
            self.mark()

    def draw(self, painter: Painter) -> None:
        """The picture at this moment, over the whole box."""
        if not (self.rect.width and self.rect.height):
            return
        self._drawn_s = self.ui.now_s
        image = self.source.surface(self.ui.view, self.rect.size, self.ui.now_s)
        if image.get_size() != self.rect.size:
            painter.surface.fill(GROUND, self.rect)
        painter.surface.blit(image, image.get_rect(center=self.rect.center))
        if self.ui.now_s < self._moving_until_s:
            self.ui.wake(FRAME_S)
