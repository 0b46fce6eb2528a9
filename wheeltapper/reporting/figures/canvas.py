"""Canvas: the look of every figure, and how a figure becomes an SVG for the report or a PNG file.

The colours are those of Okabe and Ito [1]_, which people with any kind of colour blindness can distinguish. No meaning
depends on colour alone: lanes, hatches, line styles and text show it as well. Figures are plain
`matplotlib.figure.Figure` objects, not pyplot ones: they share no global state, so that tasks can draw in parallel.

References
----------
.. [1] M. Okabe, K. Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import base64
import io
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any, Literal

from wheeltapper.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID, PAPER = "#1f2933", "#5b6770", "#d5dbe1", "#ffffff"
SCORE, FAULT, ALARM, LIMIT = "#0072b2", "#e69f00", "#d55e00", "#333c44"
GOOD, OTHER = "#009e73", "#cc79a7"
SHADE, PART_A, PART_B = "#e7f0f7", "#dde2e7", "#b4bec8"
SERIES = (SCORE, ALARM, GOOD, OTHER, "#56b4e9", FAULT, QUIET)

_DARK = {
    INK: "#e6eaee",
    QUIET: "#a6b1bb",
    GRID: "#39434d",
    PAPER: "#1b2127",
    SCORE: "#56b4e9",
    FAULT: "#f0b83f",
    ALARM: "#ff8a4c",
    LIMIT: "#cfd6dc",
    GOOD: "#2fc79b",
    OTHER: "#e3a0c4",
    SHADE: "#26333d",
    PART_A: "#3b4650",
    PART_B: "#5a6773",
}
"""Colour → its replacement on a dark screen; colours that are not listed are light enough."""

_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"
_FAMILY = re.compile(r"font-family: [^;\"]*; ")
_LONG = re.compile(r"(\.\d\d)\d+")
"""Decimals that are too small to see: a hundredth of a point remains, and the file becomes a third smaller."""
_POINTS_PER_INCH = 72
_SETTINGS_LOCK = threading.Lock()
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def require(content: object, figure: str, needed: str) -> None:
    """Refuse to draw a figure that would be empty.

    Raises
    ------
    DataError
        If there is no content. The message names what is needed.
    """
    if not content:
        raise DataError(f"{figure} cannot be drawn: expected {needed}, got none. Leave the figure out.")


def blank(width: float = 10.0, height: float = 3.0) -> Figure:
    """Return an empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)


def strips(heights: tuple[float, ...], *, width: float = 10.0, gap: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Return a figure of strips with a common time axis, each with its height in inches, and fixed margins.

    With fixed margins, timelines below each other line up. They also avoid matplotlib's layout, which takes half of the
    drawing time.
    """
    from matplotlib.figure import Figure

    left, right, top, bottom = 1.05, 0.15, 0.36, 0.5
    height = sum(heights) + gap * (len(heights) - 1) + top + bottom
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    axes: list[Axes] = []
    edge = height - top
    for strip in heights:
        box = (left / width, (edge - strip) / height, 1 - (left + right) / width, strip / height)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        edge -= strip + gap
    for upper in axes[:-1]:
        upper.tick_params(labelbottom=False)
    return figure, axes


def plain(text: object) -> str:
    """Return a text that matplotlib draws unchanged: no formula between dollar signs, no control characters."""
    return _UNPRINTABLE.sub(" ", str(text)).replace("$", r"\$")


def dress(axes: Axes, *, grid: Literal["", "both", "x", "y"] = "y") -> Axes:
    """Give an axis the look of all figures: a thin grid behind the data, no box around it."""
    axes.set_facecolor(PAPER)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=8.5, length=3)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.7)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
        text.set_fontsize(9)
    return axes


def title(axes: Axes, text: object, **look: Any) -> None:
    """Write an axis's title at its left edge."""
    axes.set_title(plain(text), loc="left", color=INK, **{"fontsize": 9.5, **look})


def legend(target: Any, handles: list[Any] | None = None, **options: Any) -> None:
    """Write a legend in the common look above or inside ``target`` (an axis or a figure)."""
    options = {"fontsize": 8.5, "frameon": False, "labelcolor": INK, **options}
    target.legend(**options) if handles is None else target.legend(handles=handles, **options)


def square(
    corner: tuple[float, float], colour: str, opacity: float, *, width: float = 0.96, height: float = 0.96
) -> Any:
    """Return one cell of a matrix; a higher opacity stands for a higher number."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=colour, alpha=opacity, edgecolor="none")


def to_png(figure: Figure, dots_per_inch: int = 110) -> bytes:
    """Return a figure as a PNG file's bytes."""
    quickly = {"compress_level": 1}  # a tenth larger than with the usual one, in a third less time
    return _print(figure, format="png", dpi=dots_per_inch, metadata={"Software": None}, pil_kwargs=quickly)


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG for light and dark screens; the same figure gives the same text."""
    with _SETTINGS_LOCK:  # matplotlib reads these two only from its global settings
        from matplotlib import rc_context

        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "wheeltapper"}):
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            text = _print(figure, format="svg", metadata=nothing).decode("utf-8")
    text = text[text.index("<svg") :]
    names = {colour: f"c{place}" for place, colour in enumerate(_DARK)}
    # Only inside style attributes: a label that looks like a colour is not changed.
    text = re.sub(
        r'style="[^"]*"',
        lambda style: _FAMILY.sub("", re.sub(r"#[0-9a-f]{6}", lambda match: _variable(match[0], names), style[0])),
        text,
    )
    light = "".join(f"--{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"--{name}:{_DARK[colour]};" for colour, name in names.items())
    text = re.sub(r' (?:d|x|y)="[^"]*"', lambda place: _LONG.sub(r"\1", place[0]), text)
    style = f"<style>svg{{font-family:{_FONTS};{light}}}@media (prefers-color-scheme: dark){{svg{{{dark}}}}}</style>"
    start = text.index(">") + 1
    return text[:start] + style + text[start:]


def data_uri(svg: str) -> str:
    """Return an SVG as an image address that contains the image itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def _variable(colour: str, names: dict[str, str]) -> str:
    return f"var(--{names[colour]})" if colour in names else colour


def _print(figure: Figure, **options: Any) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that matplotlib's font lacks is drawn as boxes in the PNG, and correctly in the report.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        _lay_out(figure)
        figure.savefig(target, facecolor=PAPER, **options)
    return target.getvalue()


def _lay_out(figure: Figure) -> None:
    """Compute the layout once, and fix it: otherwise each printing draws the figure twice, the first time for that."""
    engine, dots_per_inch = figure.get_layout_engine(), figure.dpi
    if engine is not None:
        figure.set_dpi(_POINTS_PER_INCH)  # an SVG's texts are that large, and a PNG's have to fit as well
        engine.execute(figure)
        figure.set_dpi(dots_per_inch)
        figure.set_layout_engine(None)
