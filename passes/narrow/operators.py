"""What operators that move elements must say in the narrowed graph.

One function an operator; each returns edits, or raises where the operator has no words for what
the plan wants.
"""

from __future__ import annotations

from math import prod

import numpy as np

from graphprune.groups import Ids
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.respell import Edit, SetAttribute, SetOperand, Site, respells


@respells("Reshape")
def reshape(site: Site) -> list[Edit]:
    """Literal extents that no longer hold are replaced; zeros and minus ones stay if they hold."""
    x, wanted = site.new(site.node.inputs[0]), site.new(site.node.outputs[0])
    attribute = site.native.ints("shape")
    raw = np.array(attribute, np.int64) if attribute is not None else site.now(1)
    keep_zero = bool(site.native.attrs.get("allowzero", 0))
    if _resolved(raw, x, keep_zero) == wanted:
        return []
    spelled = [_extent(int(n), i, x, wanted, keep_zero) for i, n in enumerate(raw)]
    if attribute is not None:
        return [SetAttribute("shape", tuple(spelled))]
    return [SetOperand(1, np.array(spelled, np.int64))]


def _extent(raw: int, axis: int, x: Shape, wanted: Shape, keep_zero: bool) -> int:
    if raw == -1:
        return -1
    if raw == 0 and not keep_zero and axis < len(x) and x[axis] == wanted[axis]:
        return 0
    return wanted[axis]


def _resolved(raw: Ids, x: Shape, keep_zero: bool) -> Shape | None:
    """The shape that a Reshape operand means for an input of shape ``x``."""
    shape = [x[i] if n == 0 and not keep_zero and i < len(x) else int(n) for i, n in enumerate(raw)]
    if -1 in shape:
        rest = prod(n for n in shape if n != -1)
        if rest == 0 or prod(x) % rest:
            return None
        shape[shape.index(-1)] = prod(x) // rest
    return tuple(shape)


@respells("Slice")
def slice_(site: Site) -> list[Edit]:
    """Starts and ends count the survivors before them."""
    x, node = site.node.inputs[0], site.node
    starts, ends = list(node.ints("starts")), list(node.ints("ends"))
    now_starts, now_ends = _slice_now(site, starts, ends)
    changed = False
    for i, axis in enumerate(node.ints("axes")):
        size, left = site.old(x)[axis], site.new(x)[axis]
        if node.ints("steps")[i] != 1:
            continue
        bounds = tuple(np.clip(_wrap((starts[i], ends[i]), size), 0, size).tolist())
        low, high = site.counts(x, axis, (bounds[0], max(bounds)))
        current = np.clip(_wrap((now_starts[i], now_ends[i]), left), 0, left).tolist()
        if current[0] != low:
            now_starts[i], changed = low, True
        if current[1] != high:
            now_ends[i], changed = high, True
    if not changed:
        return []
    if site.native.opset < 10:
        return [
            SetAttribute("starts", tuple(now_starts)),
            SetAttribute("ends", tuple(now_ends)),
        ]
    return [SetOperand(1, np.array(now_starts)), SetOperand(2, np.array(now_ends))]


def _slice_now(site: Site, starts: list[int], ends: list[int]) -> tuple[list[int], list[int]]:
    if site.native.opset < 10:
        return list(starts), list(ends)
    return site.now(1).tolist(), site.now(2).tolist()


def _wrap(bounds: tuple[int, int], size: int) -> list[int]:
    return [b + size if b < 0 else b for b in bounds]


@respells("Split")
def split(site: Site) -> list[Edit]:
    """Sizes are what survives of every piece; equal pieces may become unequal."""
    axis = site.node.int("axis")
    wanted = tuple(site.new(name)[axis] for name in site.node.outputs)
    given = site.native.ints("split")
    if given is None and site.native.operand(1):
        given = tuple(site.now(1).tolist())
    if given is None:
        piece = -(-sum(wanted) // len(wanted))
        given = (piece,) * (len(wanted) - 1) + (sum(wanted) - piece * (len(wanted) - 1),)
    if given == wanted:
        return []
    bounds = np.cumsum((0, *site.node.ints("sizes"))).tolist()
    site.counts(site.node.inputs[0], axis, tuple(bounds))
    if site.native.opset < 13:
        return [SetAttribute("split", wanted)]
    return [SetOperand(1, np.array(wanted, np.int64)), SetAttribute("num_outputs", None)]


@respells("Gather")
def gather(site: Site) -> list[Edit]:
    """Constant indices are ranked among the survivors."""
    if site.node.op != "gather":
        return []
    x, y, axis = site.node.inputs[0], site.node.outputs[0], site.node.int("axis")
    index = site.coupling.graph.values[site.node.inputs[1]].const
    if index is None or not any(layer.axis == axis for layer in site.layers(x)):
        return []
    rank = np.cumsum(site.living(x, axis)) - 1
    kept = index.astype(np.int64)
    for i in range(index.ndim):
        kept = np.compress(site.living(y, axis + i), kept, axis=i)
    wanted = rank[kept]
    original = site.folded.now(site.native.operand(1))
    if np.array_equal(original, wanted):
        return []
    return [SetOperand(1, np.asarray(wanted, original.dtype))]


@respells("Expand")
def expand(site: Site) -> list[Edit]:
    """The target's extents follow."""
    x, wanted = site.new(site.node.inputs[0]), site.new(site.node.outputs[0])
    raw = site.now(1)
    try:
        if tuple(np.broadcast_shapes(tuple(raw.tolist()), x)) == wanted:
            return []
    except ValueError:
        pass  # the old target does not fit the narrower operand: spell it anew
    shift = len(wanted) - raw.size
    spelled = [n if n == 1 else wanted[i + shift] for i, n in enumerate(raw.tolist())]
    return [SetOperand(1, np.array(spelled, np.int64))]


@respells("Pad")
def pad(site: Site) -> list[Edit]:
    """Padding along a narrowed axis keeps its survivors."""
    x, y = site.node.inputs[0], site.node.outputs[0]
    rank, pads = len(site.old(x)), list(site.node.ints("pads"))
    for axis in range(rank):
        if not any(layer.axis == axis for layer in site.layers(y)):
            continue
        stop = pads[axis] + site.old(x)[axis]
        low, high, full = site.counts(y, axis, (pads[axis], stop, site.old(y)[axis]))
        pads[axis], pads[axis + rank] = low, full - high
    if tuple(pads) == site.node.ints("pads"):
        return []
    if site.native.opset < 11:
        name = "paddings" if "paddings" in site.native.attrs else "pads"
        return [SetAttribute(name, tuple(pads))]
    if site.native.operand(3):
        axes = [int(a) % rank for a in site.now(3)]
        pads = [pads[a] for a in axes] + [pads[a + rank] for a in axes]
    return [SetOperand(1, np.array(pads, np.int64))]


@respells("Resize")
def resize(site: Site) -> list[Edit]:
    """Sizes of axes that are not resized follow."""
    if site.native.opset < 11 or not site.native.operand(3):
        return []
    wanted = site.new(site.node.outputs[0])
    axes = site.native.ints("axes") or tuple(range(len(wanted)))
    sizes = np.array([wanted[a] for a in axes], np.int64)
    return [] if np.array_equal(site.now(3), sizes) else [SetOperand(3, sizes)]


@respells("ConstantOfShape")
def fill(site: Site) -> list[Edit]:
    """A filled tensor's shape is its operand."""
    wanted = np.array(site.new(site.native.proto.output[0]), np.int64)
    return [] if np.array_equal(site.now(0), wanted) else [SetOperand(0, wanted)]
