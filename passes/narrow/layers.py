"""What the attributes of layers must say in the narrowed graph: groups, hidden sizes, scales."""

from __future__ import annotations

from graphprune.passes.narrow.respell import Edit, SetAttribute, Site, respells


@respells("Conv", "ConvInteger", "QLinearConv", "com.microsoft::QLinearConv")
def conv(site: Site) -> list[Edit]:
    """Whole groups are gone, or every group has fewer channels."""
    if site.node.op != "conv":
        return []  # what a quantised convolution does after its sum
    x, w = site.new(site.node.inputs[0]), site.new(site.node.inputs[1])
    return _attribute(site, "group", x[1] // w[1], 1)


@respells("ConvTranspose")
def conv_transpose(site: Site) -> list[Edit]:
    """As conv; the weight's second axis counts results of one group."""
    y, w = site.new(site.node.outputs[0]), site.new(site.node.inputs[1])
    return _attribute(site, "group", y[1] // w[1], 1)


@respells("GroupNormalization")
def group_norm(site: Site) -> list[Edit]:
    """Whole groups are gone where these are the units."""
    name = site.node.inputs[0]
    groups = site.node.int("groups")
    if site.coupling.choices.get(site.node.outputs[0], 1) == 0:
        groups = groups * site.new(name)[1] // site.old(name)[1]
    return _attribute(site, "num_groups", groups, 0)


@respells("LSTM", "GRU", "RNN")
def recurrent(site: Site) -> list[Edit]:
    """The hidden size is an attribute too."""
    hidden = site.new(site.node.inputs[2])[2]
    return _attribute(site, "hidden_size", hidden, 0)


@respells("Attention")
def attention(site: Site) -> list[Edit]:
    """The scale that follows from the width is written down, so that it stays what it was."""
    if site.node.op != "contract" or "scale" in site.native.attrs:
        return []
    q = site.native.operand(0)
    old, new = site.old(q)[3], site.new(q)[3]
    return [] if old == new else [SetAttribute("scale", float(old) ** -0.5)]


def _attribute(site: Site, name: str, wanted: int, default: int) -> list[Edit]:
    current = int(site.native.attrs.get(name, default))
    return [] if current == wanted else [SetAttribute(name, wanted)]
