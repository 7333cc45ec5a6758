"""Operators that regroup or reorder axes."""

from __future__ import annotations

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.rules import UnsupportedForm, lowers
from graphprune.ir.graph import Shape


def reshaped(builder: Builder, x: str, shape: Shape) -> str:
    """A value with its elements in another shape; itself where that is its own."""
    return x if builder.shape(x) == shape else builder.emit("reshape", [x], shape=shape)


def permuted(builder: Builder, x: str, perm: tuple[int, ...]) -> str:
    """A value with its axes in another order; itself where that is their own."""
    return x if perm == tuple(range(len(perm))) else builder.emit("transpose", [x], perm=perm)


@lowers(
    "view", "reshape", "_unsafe_view", "_reshape_alias", "_reshape_copy", "flatten", "unflatten",
    "squeeze", "unsqueeze", "view_as", "reshape_as", "ravel", "view_copy", "squeeze_copy",
    "unsqueeze_copy", "atleast_1d", "atleast_2d", "atleast_3d",
)  # fmt: skip
def reshape(call: Call, builder: Builder) -> str:
    """To the shape that tracing found."""
    if call.given("dtype") or len(call.metas) > 1:
        raise UnsupportedForm("the same bytes read as another type")
    return reshaped(builder, call.tensor("self"), call.shape())


@lowers("as_strided", "as_strided_copy")
def strided(call: Call, builder: Builder) -> str:
    """Any elements of the memory; only what an operand's own strides give is told apart."""
    x, meta = call.tensor("self"), call.arguments["self"].meta["val"]
    wanted = zip(call.shape(), call.ints("stride"), meta.stride(), strict=False)
    alike = builder.shape(x) == call.shape() and all(n == 1 or a == b for n, a, b in wanted)
    if not alike or call.integer("storage_offset", meta.storage_offset()) != meta.storage_offset():
        raise UnsupportedForm("elements picked by their place in memory")
    return x


@lowers("permute", "permute_copy")
def permute(call: Call, builder: Builder) -> str:
    """Any order."""
    x = call.tensor("self")
    rank = builder.rank(x)
    return permuted(builder, x, tuple(axis % rank for axis in call.ints("dims")))


@lowers("transpose", "swapaxes", "swapdims", "transpose_copy")
def transpose(call: Call, builder: Builder) -> str:
    """Two axes change places."""
    x = call.tensor("self")
    perm = list(range(builder.rank(x)))
    if not perm:
        return x
    first, second = (
        call.integer(next(n for n in names if call.given(n))) % len(perm)
        for names in (("dim0", "axis0"), ("dim1", "axis1"))
    )
    perm[first], perm[second] = perm[second], perm[first]
    return permuted(builder, x, tuple(perm))


@lowers("t", "numpy_T", "t_copy")
def reverse(call: Call, builder: Builder) -> str:
    """All axes the other way round."""
    x = call.tensor("self")
    return permuted(builder, x, tuple(reversed(range(builder.rank(x)))))


@lowers("mT", "mH", "adjoint", "matrix_H")
def matrix_transpose(call: Call, builder: Builder) -> str:
    """The last two axes change places."""
    x = call.tensor("self")
    *lead, row, column = range(builder.rank(x))
    return permuted(builder, x, (*lead, column, row))


@lowers("movedim", "moveaxis")
def move_axes(call: Call, builder: Builder) -> str:
    """Some axes to other places, the rest in order."""
    x = call.tensor("self")
    rank = builder.rank(x)
    source = [axis % rank for axis in call.ints("source")]
    target = [axis % rank for axis in call.ints("destination")]
    rest = iter(axis for axis in range(rank) if axis not in source)
    places = dict(zip(target, source, strict=True))
    perm = tuple(places[i] if i in places else next(rest) for i in range(rank))
    return permuted(builder, x, perm)
