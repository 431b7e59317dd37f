"""Figures that a notebook shows as pictures, whether pyplot was imported or not."""

from io import BytesIO

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure of its own: no pyplot, no window, nothing to close."""

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()
