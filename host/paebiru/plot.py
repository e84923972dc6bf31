"""The picture of a federated run: accuracy against the bytes that it cost a board."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from paebiru.console import size

Curve = Sequence[tuple[float, float]]
"""(bytes a board sent and received so far, accuracy 0..1), one point a round."""

# Blue and vermillion of Okabe and Ito's palette, told apart with any colour vision; the
# dashes tell them apart in grey.
_OURS = {"color": "#0072B2", "linewidth": 2.2, "linestyle": "-"}
_REFERENCE = {"color": "#D55E00", "linewidth": 1.8, "linestyle": (0, (5, 2))}


def save(path: str | Path, ours: Curve, reference: Curve | None, title: str) -> None:
    """Write a PNG of accuracy against cumulated bytes a board, on a logarithmic axis.

    Args:
        path: the file to write, whatever its suffix.
        ours: the integer fleet's curve; empty is allowed and draws no line.
        reference: float32 federated averaging's, or None.
        title: one line above the picture.
    """
    # Not through pyplot: a figure of its own draws with Agg, whatever display there is.
    figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, ours, "Paebiru, integers", _OURS)
    if reference:
        _draw(axes, reference, "float32 FedAvg", _REFERENCE)
    _dress(axes, [*ours, *(reference or [])])
    axes.set_title(title, loc="left", fontsize=12)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw(axes: Any, curve: Curve, name: str, style: dict[str, Any]) -> None:
    if not curve:
        return
    x, y = zip(*curve, strict=True)
    label = f"{name}: {y[-1]:.1%} for {size(x[-1])}"
    axes.plot(x, y, label=label, solid_capstyle="round", **style)
    axes.plot(x[-1], y[-1], "o", color=style["color"], markersize=6)


def _dress(axes: Any, points: list[tuple[float, float]]) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("bytes a board sent and received (log scale)")
    axes.set_ylabel("accuracy on unseen data")
    # Powers of ten, and 2 and 5 between them: enough to read a value, too few to collide.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if points:
        lowest = min(accuracy for _, accuracy in points)
        axes.set_ylim(max(0.0, lowest - 0.05), 1.0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    if axes.lines:
        axes.legend(loc="lower right", frameon=False, fontsize=10)
