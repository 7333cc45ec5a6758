"""Channel shuffles: narrowed to any width by an explicit Gather."""

from __future__ import annotations

import numpy as np
from onnx import helper

from graphprune.groups import Ids
from graphprune.passes.narrow.edit import Editor
from graphprune.passes.narrow.respell import Site


def rewrite(site: Site, editor: Editor) -> None:
    """Replace reshape–transpose–reshape by what permutes the survivors the same way."""
    order = _order(site)
    first, middle, last = site.node.origin
    axis = site.node.int("axis")
    result = site.native.proto.output[0]
    source = editor.lowered.natives[first].proto.input[0]
    gather = helper.make_node(
        "Gather",
        [source, editor.constant(result, order)],
        [result],
        name=site.native.proto.name,
        axis=axis,
    )
    editor.nodes[last] = gather
    editor.deleted |= {first, middle}
    editor.orphans.update(site.native.proto.input[1:])


def _order(site: Site) -> Ids:
    """For every survivor after the shuffle its place among the survivors before."""
    axis = site.node.int("axis")
    perm = np.array(site.node.ints("perm"), np.int64)
    living = site.living(site.node.inputs[0], axis)
    rank = np.cumsum(living) - 1
    return np.asarray(rank[perm[living[perm]]], dtype=np.int64)
