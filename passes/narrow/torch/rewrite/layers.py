"""What layers say about their own widths: groups, normalised shapes, scales."""

from __future__ import annotations

from graphprune.passes.narrow.torch.rewrite.site import Site, Spelling, respells


def _argument(site: Site, name: str, wanted: object) -> Spelling | None:
    return None if site.arguments[name] == wanted else Spelling({name: wanted})


def _groups(site: Site, transposed: bool) -> Spelling | None:
    w = site.operand("weight")
    channels = -(len(site.old(w)) - 1)
    wide = site.node if transposed else site.operand("input")
    return _argument(site, "groups", site.new(wide)[channels] // site.new(w)[1])


@respells("conv1d", "conv2d", "conv3d", "torchvision::deform_conv2d")
def conv(site: Site) -> Spelling | None:
    """Whole groups are gone, or every group has fewer channels."""
    return _groups(site, transposed=False)


@respells("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(site: Site) -> Spelling | None:
    """As conv; the weight's second axis counts results of one group."""
    return _groups(site, transposed=True)


@respells("convolution", "_convolution")
def either(site: Site) -> Spelling | None:
    """What all of them are decomposed to."""
    return _groups(site, site.call.flag("transposed"))


@respells("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(site: Site) -> Spelling | None:
    """The extents that statistics are taken over."""
    given = list(site.arguments["normalized_shape"])
    x = site.operand("input")
    spelled = site.extents(given, site.new(x)[-len(given) :])
    return None if spelled == given else Spelling({"normalized_shape": spelled})


@respells("group_norm", "native_group_norm")
def group_norm(site: Site) -> Spelling | None:
    """Whole groups are gone where these are the units."""
    x = site.operand("input")
    name = "num_groups" if "num_groups" in site.arguments else "group"
    groups = int(site.arguments[name])
    result = next(n.outputs[0] for n in site.canonical if n.op == "group_norm")
    old, new = site.old(x), site.new(x)
    if site.planned.coupling.choices.get(result, 1) == 0:
        groups = groups * new[1] // old[1]
    arguments: dict[str, object] = {name: groups}
    if name == "group":
        arguments["C"] = new[1]
    same = all(site.arguments[key] == value for key, value in arguments.items())
    return None if same else Spelling(arguments)


@respells(
    "scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_attention_math",
)  # fmt: skip
def attention(site: Site) -> Spelling | None:
    """The scale that follows from the width is written down, so that it stays what it was."""
    query = site.operand("query")
    old, new = site.old(query)[-1], site.new(query)[-1]
    if old == new or site.call.given("scale"):
        return None
    return Spelling({"scale": float(old) ** -0.5})
