"""Borders."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import lowers

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _padded(builder: Builder, x: str, pad: tuple[int, ...], mode: str) -> str:
    """PyTorch counts from the last axis: begin and end of it, then of the one before."""
    if not any(pad):
        return x
    rank = builder.rank(x)
    begins, ends = [0] * rank, [0] * rank
    for i in range(len(pad) // 2):
        begins[rank - 1 - i], ends[rank - 1 - i] = pad[2 * i], pad[2 * i + 1]
    return builder.emit("pad", [x], pads=(*begins, *ends), mode=mode)


@lowers("pad", "constant_pad_nd")
def pad(call: Call, builder: Builder) -> str:
    """Borders of one number, mirrored, repeated or from the other side."""
    mode = _MODES.get(str(call.arguments.get("mode", "constant")), "reflect")
    return _padded(builder, call.tensor("self"), call.ints("pad"), mode)


@lowers("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflect(call: Call, builder: Builder) -> str:
    """Mirrored borders."""
    return _padded(builder, call.tensor("self"), call.ints("padding"), "reflect")


@lowers("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replicate(call: Call, builder: Builder) -> str:
    """The outermost elements repeated."""
    return _padded(builder, call.tensor("self"), call.ints("padding"), "edge")


@lowers("_pad_circular")
def wrap(call: Call, builder: Builder) -> str:
    """What lies at the other side."""
    return _padded(builder, call.tensor("self"), call.ints("pad"), "wrap")
