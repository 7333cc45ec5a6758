"""Matrix products."""

from __future__ import annotations

from string import ascii_lowercase

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.equation import contract_all, operand_words
from graphprune.frontends.torch.rules import UnsupportedForm, lowers


def plus(builder: Builder, product: str, bias: str) -> str:
    """A product with a bias that broadcasts, where there is one."""
    return builder.emit("pointwise.add", [product, bias]) if bias else product


@lowers("linear")
def linear(call: Call, builder: Builder) -> str:
    """The last axis with the weight's last; a vector as weight leaves none."""
    x, w = call.tensor("input"), call.tensor("weight")
    lead = ascii_lowercase[: builder.rank(x) - 1]
    out = "z" if builder.rank(w) == 2 else ""
    product = builder.emit("contract", [x, w], equation=f"{lead}k,{out}k->{lead}{out}")
    return plus(builder, product, call.tensor("bias"))


def matmul_equation(left: int, right: int) -> str:
    """The einsum equation of a matmul of two operands of these ranks."""
    batch = ascii_lowercase[: max(left, right, 2) - 2]
    a = "k" if left == 1 else batch[len(batch) - (left - 2) :] + "yk"
    b = "k" if right == 1 else batch[len(batch) - (right - 2) :] + "kz"
    out = batch + ("y" if left > 1 else "") + ("z" if right > 1 else "")
    return f"{a},{b}->{out}"


@lowers("matmul", "mm", "bmm", "mv", "dot", "linalg_matmul")
def matmul(call: Call, builder: Builder) -> str:
    """Batch axes broadcast, vectors lose their axis."""
    left, right = call.every_tensor()
    equation = matmul_equation(builder.rank(left), builder.rank(right))
    return builder.emit("contract", [left, right], equation=equation)


@lowers("vdot", "inner", "linalg_vecdot")
def inner(call: Call, builder: Builder) -> str:
    """Last axis with last axis."""
    left, right = call.every_tensor()
    if call.op == "linalg_vecdot":
        raise UnsupportedForm("a product along an axis that broadcasts")
    a, b = ascii_lowercase[: builder.rank(left) - 1], "ABCDEFGH"[: builder.rank(right) - 1]
    return builder.emit("contract", [left, right], equation=f"{a}k,{b}k->{a}{b}")


@lowers("outer", "ger")
def outer(call: Call, builder: Builder) -> str:
    """Every element with every element."""
    return builder.emit("contract", call.every_tensor(), equation="y,z->yz")


@lowers("addmm", "addmv", "baddbmm")
def add_product(call: Call, builder: Builder) -> str:
    """A matrix product added to the first operand."""
    bias, left, right = call.every_tensor()
    equation = matmul_equation(builder.rank(left), builder.rank(right))
    product = builder.emit("contract", [left, right], equation=equation)
    return plus(builder, product, bias)


@lowers("einsum")
def einsum(call: Call, builder: Builder) -> str:
    """Any number of operands, two at a time from the left."""
    operands = call.tensors("tensors")
    ranks = [builder.rank(name) for name in operands]
    words, out = operand_words(str(call.arguments["equation"]), ranks)
    return contract_all(builder, operands, words, out)


@lowers("tensordot")
def tensordot(call: Call, builder: Builder) -> str:
    """Pairs of axes summed over, the others in order."""
    left, right = call.tensor("self"), call.tensor("other")
    a = list(ascii_lowercase[: builder.rank(left)])
    b = list("ABCDEFGHIJKLM"[: builder.rank(right)])
    for i, j in zip(call.ints("dims_self"), call.ints("dims_other"), strict=True):
        b[j] = a[i]
    summed = set(a) & set(b)
    out = "".join(c for c in a + b if c not in summed)
    return builder.emit("contract", [left, right], equation=f"{''.join(a)},{''.join(b)}->{out}")


@lowers("bilinear")
def bilinear(call: Call, builder: Builder) -> str:
    """One matrix an output: first with the left operand, then with the right one."""
    left, right, w = call.tensor("input1"), call.tensor("input2"), call.tensor("weight")
    lead = ascii_lowercase[: builder.rank(left) - 1]
    half = builder.emit("contract", [left, w], equation=f"{lead}i,zij->{lead}zj".replace("i", "I"))
    product = builder.emit("contract", [half, right], equation=f"{lead}zj,{lead}j->{lead}z")
    return plus(builder, product, call.tensor("bias"))
