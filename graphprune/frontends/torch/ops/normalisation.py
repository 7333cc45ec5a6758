"""Normalisations."""

from __future__ import annotations

from collections.abc import Sequence

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import UnsupportedForm, lowers

_VECTORS = ("weight", "bias", "running_mean", "running_var")


def _only_first(call: Call, name: str) -> list[str]:
    """The normalised result alone; the statistics beside it have no rule."""
    if any(call.is_read(i) for i in range(1, len(call.metas))):
        raise UnsupportedForm("the statistics are read")
    return [name] + [""] * (len(call.metas) - 1)


def _vectors(call: Call, names: Sequence[str] = _VECTORS) -> list[str]:
    """Per-channel operands that are there: every one has the channels' labels."""
    return [found for found in (call.tensor(name) for name in names) if found]


def _over_the_batch(call: Call) -> str:
    """The canonical operation of a batch norm.

    With the batch's own statistics every axis but the channels' counts, as in an instance norm:
    a weight that is standardised this way has channels along those.
    """
    known = call.given("running_mean") and not call.arguments.get("training")
    return "batch_norm" if known else "instance_norm"


@lowers("batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
def batch_norm(call: Call, builder: Builder) -> list[str]:
    """Every channel for itself, by running statistics or those of the batch."""
    x = call.tensor("input")
    return _only_first(call, builder.emit(_over_the_batch(call), [x, *_vectors(call)]))


@lowers(
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
    "_native_batch_norm_legit_functional", "_batch_norm_no_update", "_batch_norm_with_update",
    "_batch_norm_with_update_functional",
)  # fmt: skip
def native_batch_norm(call: Call, builder: Builder) -> list[str]:
    """With statistics as further results; running ones are the operands, updated."""
    x, count = call.tensor("input"), len(call.metas)
    results = [builder.emit(_over_the_batch(call), [x, *_vectors(call)])] + [""] * (count - 1)
    updated = {count - 2: "running_mean", count - 1: "running_var"} if count >= 5 else {}
    for i in range(1, count):
        if call.is_read(i) and i not in updated:
            raise UnsupportedForm("the statistics are read")
        if i in updated:
            results[i] = builder.emit("pointwise.update", [call.tensor(updated[i])])
    return results


@lowers("instance_norm")
def instance_norm(call: Call, builder: Builder) -> str:
    """Statistics of every channel of every image."""
    return builder.emit("instance_norm", [call.tensor("input"), *_vectors(call)])


@lowers("group_norm", "native_group_norm")
def group_norm(call: Call, builder: Builder) -> list[str]:
    """Statistics of groups of channels."""
    groups = call.integer("group") or call.integer("num_groups")
    operands = [call.tensor("input"), *_vectors(call, _VECTORS[:2])]
    return _only_first(call, builder.emit("group_norm", operands, groups=groups))


@lowers("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
def layer_norm(call: Call, builder: Builder) -> list[str]:
    """Statistics over the last axes."""
    operands = [call.tensor(name) for name in ("input", "weight", "bias")]
    rank = builder.rank(operands[0])
    axes = tuple(range(rank - len(call.ints("normalized_shape")), rank))
    while not operands[-1]:
        operands.pop()
    return _only_first(call, builder.emit("layer_norm", operands, axes=axes))


@lowers("_weight_norm", "_weight_norm_interface")
def weight_norm(call: Call, builder: Builder) -> list[str]:
    """A weight of given norms: the norm of every slice of ``v`` is divided out."""
    v, g = call.tensor("v"), call.tensor("g")
    axes = tuple(i for i in range(builder.rank(v)) if i != call.axis(builder.rank(v)))
    norm = builder.emit("reduce.l2", [v], axes=axes, keepdims=True)
    return _only_first(call, builder.emit("pointwise.weight_norm", [v, g, norm]))


@lowers("norm_except_dim")
def norm_except(call: Call, builder: Builder) -> str:
    """The norm of every slice."""
    v = call.tensor("v")
    axes = tuple(i for i in range(builder.rank(v)) if i != call.axis(builder.rank(v)))
    member = "l2" if call.integer("pow", 2) == 2 else "norm"
    return builder.emit(f"reduce.{member}", [v], axes=axes, keepdims=True)
