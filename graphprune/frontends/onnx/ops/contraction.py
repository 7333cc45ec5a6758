"""Matrix products."""

from __future__ import annotations

from string import ascii_lowercase

from graphprune.frontends.onnx.builder import Builder, UnsupportedForm, lowers
from graphprune.frontends.onnx.native import Native


@lowers("MatMul", "com.microsoft::FusedMatMul")
def matmul(node: Native, builder: Builder) -> None:
    """NumPy's matmul: batch axes broadcast, vectors lose their axis."""
    if node.attrs.get("transA") or node.attrs.get("transB"):
        raise UnsupportedForm("fused transposition")
    ranks = [len(builder.shape(name)) for name in node.proto.input]
    equation = matmul_equation(*ranks)
    builder.emit("contract", list(node.proto.input), list(node.proto.output), equation=equation)


def matmul_equation(left: int, right: int) -> str:
    """The einsum equation of a matmul of two operands of these ranks."""
    batch = ascii_lowercase[: max(left, right, 2) - 2]
    a = "k" if left == 1 else batch[len(batch) - (left - 2) :] + "yk"
    b = "k" if right == 1 else batch[len(batch) - (right - 2) :] + "kz"
    out = batch + ("y" if left > 1 else "") + ("z" if right > 1 else "")
    return f"{a},{b}->{out}"


@lowers("Gemm")
def gemm(node: Native, builder: Builder) -> None:
    """A matrix product with a bias that broadcasts."""
    a = "ky" if node.attrs.get("transA") else "yk"
    b = "zk" if node.attrs.get("transB") else "kz"
    result, bias = node.proto.output[0], node.operand(2)
    product = builder.temporary() if bias else result
    builder.emit("contract", [node.operand(0), node.operand(1)], [product], equation=f"{a},{b}->yz")
    if bias:
        builder.emit("pointwise.add", [product, bias], [result])


@lowers("Einsum")
def einsum(node: Native, builder: Builder) -> None:
    """Two operands without repeated letters; an ellipsis stands for leading letters."""
    equation = str(node.attrs["equation"]).replace(" ", "")
    left, arrow, out = equation.partition("->")
    words = left.split(",")
    if len(words) != 2 or not arrow:
        raise UnsupportedForm("an einsum of other than two operands, or without a result")
    free = [c for c in "ABCDEFGH" if c not in equation]
    spread = ""
    for i, word in enumerate(words):
        if "..." in word:
            extra = len(builder.shape(node.operand(i))) - len(word.replace("...", ""))
            spread = max(spread, "".join(free[:extra]), key=len)
            words[i] = word.replace("...", "".join(free[:extra]))
    out = out.replace("...", spread)
    if any(len(set(word)) != len(word) for word in (*words, out)):
        raise UnsupportedForm("a repeated index")
    if set(out) - set("".join(words)):
        raise UnsupportedForm("a result index that no operand has")
    full = f"{words[0]},{words[1]}->{out}"
    builder.emit("contract", list(node.proto.input), list(node.proto.output), equation=full)


@lowers("MatMulInteger")
def matmul_integer(node: Native, builder: Builder) -> None:
    """An integer product; per-tensor zero points play no part in coupling."""
    if any(builder.shape(n) not in ((), (1,)) for n in node.proto.input[2:] if n):
        raise UnsupportedForm("zero points along an axis")
    ranks = [len(builder.shape(name)) for name in node.proto.input[:2]]
    builder.emit(
        "contract",
        list(node.proto.input[:2]),
        list(node.proto.output),
        dtype="int32",
        equation=matmul_equation(*ranks),
    )
