"""Interpolation: channels are only copied."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import lowers

_MODES = ("nearest", "nearest_exact", "bilinear", "bicubic", "linear", "trilinear", "lanczos")
_UPSAMPLING = [
    f"{lead}upsample_{mode}{rank}d{tail}"
    for lead in ("", "_")
    for mode in _MODES
    for rank in (1, 2, 3)
    for tail in ("", "_aa")
]


@lowers(*_UPSAMPLING)
def upsample(call: Call, builder: Builder) -> str:
    """To the extents that tracing found."""
    return builder.emit("resize", [call.tensor("self", "input")], shape=call.shape())


@lowers("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "cudnn_grid_sampler")
def grid_sample(call: Call, builder: Builder) -> str:
    """Interpolation at computed places."""
    builder.freeze(call.tensor("grid"), "its last axis holds coordinates")
    return builder.emit("resize", [call.tensor("input", "self")], shape=call.shape())


@lowers("torchvision::roi_align", "torchvision::roi_pool")
def regions(call: Call, builder: Builder) -> str:
    """Interpolation within computed boxes."""
    builder.freeze(call.tensor("rois"), "its last axis holds coordinates")
    return builder.emit("resize", [call.tensor("input")], shape=call.shape())
