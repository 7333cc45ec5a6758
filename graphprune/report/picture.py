"""A drawing of a network: one bar a layer, one colour a group of coupled channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphprune.errors import BadData, PlanMismatch
from graphprune.inspection import Inspection
from graphprune.report import figures
from graphprune.report.layers import WeightLayer, weight_layers
from graphprune.report.numbers import human, shortened

_LONGEST_NAME = 36

# Told apart by the colour-blind as well; coupled groups take them in turns.
_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccaa33", "#66a5c8", "#aa3377", "#d9803a", "#44aa99",
    "#882255", "#999933",
)  # fmt: skip
_ALONE, _FROZEN, _INK, _FAINT = "#8fa3b8", "#c9c9c9", "#222222", "#8a8a8a"
_ROW_INCHES, _MARGIN_INCHES, _INCHES_WIDE = 0.215, 1.15, 10.0


@dataclass(frozen=True)
class Bar:
    """One layer of the drawing.

    Attributes:
        layer: The layer.
        group: The group that most of its results belong to; empty where they are frozen.
        before: Its width before it was narrowed, at least its width.
        macs: Its share of all MACs.
    """

    layer: WeightLayer
    group: str
    before: float
    macs: float


def pruned_widths(inspection: Inspection[Any]) -> dict[str, int]:
    """The original width of every group, from the plan a narrowed model carries.

    Returns:
        Widths by group name; empty where there is no plan, or where narrowing changed which
        channels are coupled, so that groups cannot be told from their order.
    """
    from graphprune.result import embedded_plan

    try:
        plan = embedded_plan(inspection.lowered.model)
    except PlanMismatch:
        return {}
    cut = {(param, axis) for param, axes in plan.kept.items() for axis in axes}
    groups = [
        group
        for group in inspection.coupling
        if any((m.param, str(m.axis)) in cut or group.rows > 1 for m in group.members)
    ]
    planned = [group for group in plan.groups if group.kept < group.width or group.rows > 1]
    if [(g.width, g.rows) for g in groups] != [(g.kept, g.rows) for g in planned]:
        return {}
    return {g.name: before.width for g, before in zip(groups, planned, strict=True)}


def bars(inspection: Inspection[Any], before: Mapping[str, int]) -> tuple[Bar, ...]:
    """What is drawn, in the order of the network.

    Args:
        inspection: The model.
        before: Original widths by group; may lack any.
    """
    costs, total = inspection.cost_model.by_node(), inspection.cost_model.full.macs
    widths = {group.name: group.width for group in inspection.coupling}
    made = []
    for layer in weight_layers(inspection.coupling):
        group = max(layer.groups, key=lambda name: layer.groups[name], default="")
        gone = sum(
            count * (before.get(name, widths[name]) / widths[name] - 1)
            for name, count in layer.groups.items()
        )
        share = costs[layer.title].macs / total if total else 0.0
        made.append(Bar(layer, group, layer.width + gone, share))
    return tuple(made)


def draw(inspection: Inspection[Any], before: Mapping[str, int], target: Path) -> None:
    """Draws a model to a file.

    Args:
        inspection: The model.
        before: Original widths by group, which are drawn hatched.
        target: Ends with .png or .svg.

    Raises:
        BackendUnavailable: matplotlib is not installed.
        BadData: The file's ending is none of these, or there is nothing to draw.
        GraphpruneError: The file cannot be written.
    """
    figures.check(target)
    found = bars(inspection, before)
    if not found:
        raise BadData("the model has no layers with weights to draw")
    figures.write(_figure(inspection, found, bool(before)), target)


def _figure(inspection: Inspection[Any], found: Sequence[Bar], pruned: bool) -> Any:
    """Names, rails that join what is coupled, widths, and shares of the MACs."""
    module = figures.matplotlib()
    tall = _ROW_INCHES * len(found) + _MARGIN_INCHES
    figure = module.Figure(figsize=(_INCHES_WIDE, tall), facecolor="white")
    colours, lanes = _colours(found), _lanes(found)
    rail = 0.25 + 0.16 * (max(lanes.values(), default=-1) + 1)
    grid = figure.add_gridspec(
        1, 4, width_ratios=(3.2, rail, 4.6, 1.3), wspace=0.02,
        left=0.012, right=0.975, top=1 - 0.72 / tall, bottom=0.40 / tall,
    )  # fmt: skip
    names, rails, widths, macs = (figure.add_subplot(grid[i]) for i in range(4))
    for axes in (names, rails, widths, macs):
        axes.set_ylim(len(found) - 0.4, -0.6)
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    _draw_names(names, found)
    _draw_rails(rails, found, lanes, colours)
    _draw_widths(widths, found, colours)
    _draw_macs(macs, found, colours)
    _draw_title(figure, inspection, tall, pruned, {bar.group for bar in found})
    return figure


def _colours(found: Sequence[Bar]) -> dict[str, str]:
    """Groups that join several layers get colours of their own."""
    layers = [bar.group for bar in found]
    coupled = [name for name in dict.fromkeys(layers) if name and layers.count(name) > 1]
    colours = dict.fromkeys(layers, _ALONE) | {"": _FROZEN}
    return colours | {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(coupled)}


def _lanes(found: Sequence[Bar]) -> dict[str, int]:
    """A lane for the rail of every group that joins layers; rails that overlap lie apart."""
    rows: dict[str, list[int]] = {}
    for row, bar in enumerate(found):
        rows.setdefault(bar.group, []).append(row)
    rows.pop("", None)
    free: list[int] = []
    lanes = {}
    for name, own in sorted(rows.items(), key=lambda item: item[1]):
        if len(own) > 1:
            lane = next((i for i, end in enumerate(free) if end < own[0]), len(free))
            free[lane : lane + 1] = [own[-1]]
            lanes[name] = lane
    return lanes


def _draw_names(axes: Any, found: Sequence[Bar]) -> None:
    """Names on the right, and on their left what each layer is."""
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    for row, bar in enumerate(found):
        axes.text(0, row, bar.layer.kind, va="center", fontsize=6.5, color=_FAINT)
        name = shortened(bar.layer.name, _LONGEST_NAME)
        axes.text(1, row, name, ha="right", va="center", fontsize=7.5, color=_INK)


def _draw_rails(
    axes: Any, found: Sequence[Bar], lanes: Mapping[str, int], colours: Mapping[str, str]
) -> None:
    """A line for every group of several layers, with a dot at each of them."""
    last = max(lanes.values(), default=0)
    axes.set_xlim(last + 1, -0.8)
    axes.set_xticks([])
    for name, lane in lanes.items():
        rows = [row for row, bar in enumerate(found) if bar.group == name]
        axes.plot([lane, lane], [rows[0], rows[-1]], color=colours[name], lw=1.4, zorder=1)
        axes.plot([lane] * len(rows), rows, "o", color=colours[name], ms=3.6, zorder=2)


def _draw_widths(axes: Any, found: Sequence[Bar], colours: Mapping[str, str]) -> None:
    longest = max(bar.before for bar in found)
    axes.set_xlim(0, longest * 1.13)
    for row, bar in enumerate(found):
        colour, width = colours[bar.group], bar.layer.width
        axes.barh(row, width, 0.72, color=colour, zorder=2)
        if bar.before > width:
            axes.barh(
                row, bar.before - width, 0.72, left=width, zorder=2,
                facecolor="white", edgecolor=colour, hatch="//////", lw=0.6,
            )  # fmt: skip
        text = f"{bar.before:.0f} → {width}" if bar.before > width else f"{width}"
        axes.text(bar.before + longest * 0.008, row, text, va="center", fontsize=6.8, color=_INK)
    axes.tick_params(axis="x", labelsize=7, length=0, colors=_FAINT)
    axes.grid(axis="x", color="#ebebeb", lw=0.8, zorder=0)
    axes.set_xlabel("channels", fontsize=7.5, color=_FAINT, labelpad=2)


def _draw_macs(axes: Any, found: Sequence[Bar], colours: Mapping[str, str]) -> None:
    most = max(bar.macs for bar in found) or 1.0
    axes.set_xlim(0, most * 1.5)
    for row, bar in enumerate(found):
        axes.barh(row, bar.macs, 0.72, color=colours[bar.group], alpha=0.55)
        axes.text(
            bar.macs + most * 0.04, row, f"{bar.macs:.1%}", va="center", fontsize=6.8, color=_INK
        )
    axes.set_xticks([])
    axes.set_xlabel("share of MACs", fontsize=7.5, color=_FAINT, labelpad=9)


def _draw_title(
    figure: Any, inspection: Inspection[Any], tall: float, pruned: bool, groups: set[str]
) -> None:
    path = inspection.lowered.model.path
    cost = inspection.cost_model.full
    figure.text(
        0.012, 1 - 0.24 / tall, path.name if path else "the model",
        fontsize=11, weight="bold", color=_INK, va="center",
    )  # fmt: skip
    figure.text(
        0.012, 1 - 0.48 / tall,
        f"{human(cost.params)} parameters · {human(cost.macs)} MACs · "
        f"{len(inspection.coupling.groups)} groups",
        fontsize=8, color=_FAINT, va="center",
    )  # fmt: skip
    figure.legend(
        handles=_handles(pruned, groups), loc="upper right",
        bbox_to_anchor=(0.98, 1 - 0.10 / tall), ncols=4, fontsize=7.5, frameon=False,
        handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip


def _handles(pruned: bool, groups: set[str]) -> list[Any]:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=_COLOURS[0], label="coupled: one colour, one group"),
        Patch(color=_ALONE, label="a group of its own"),
    ]
    if "" in groups:
        handles.append(Patch(color=_FROZEN, label="frozen"))
    if pruned:
        handles.append(Patch(facecolor="white", edgecolor=_FAINT, hatch="//////", label="removed"))
    return handles
