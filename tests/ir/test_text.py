"""Printing and parsing are inverse, and what is no text of a graph is refused by line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import InvalidModel
from graphprune.ir import Graph, Node, Value
from graphprune.ir.check import check
from graphprune.ir.text import parse, print_graph

RESIDUAL = """\
input x: [1,8,4,4]
param wa: [16,8,3,3]
param wb: [16,8,3,3]
a: [1,16,4,4] = conv(x, wa) {groups=1, pads=[1,1,1,1]}
b: [1,16,4,4] = conv(x, wb) {groups=1, pads=[1,1,1,1]}
s: [1,16,4,4] = pointwise.add(a, b)
return s
"""

EVERYTHING = """\
input x: [2,6]
input mask: bool[2,1]
param scale: float16[]
const index: int64[2] = [1, 0]
const empty: int64[0] = []
const flag: bool[] = [true]
const limit: float64[2] = [NaN, Infinity]
g: [2,2] = gather(x, index) {axis=1}
a: [2,1], _, b: [2,1] = split(x) {axis=1, sizes=[1,4,1]}
c: float16[2,1] = pointwise.clip(a, _, b)
= opaque(a) {reason="kept whole", type="Odd"}
d: ? = opaque(c) {reason="a {brace}, an axis=3, a \\"quote\\" and a # hash", type="Odd"}
h: [2,6] = layer_norm(x, _, _) {axes=[1], epsilon=1e-05, keep=false, name="x", w=[0.5,2.0]}
return d, g, h, x
"""


@pytest.mark.parametrize("text", [RESIDUAL, EVERYTHING], ids=["residual", "everything"])
def test_what_was_printed_prints_again(text: str) -> None:
    graph = parse(text)
    assert print_graph(graph) == text
    check(graph)


def test_parts_of_the_graph() -> None:
    graph = parse(EVERYTHING)
    assert graph.inputs == ("x", "mask")
    assert graph.outputs == ("d", "g", "h", "x")
    assert [p.name for p in graph.params] == ["scale"]
    assert graph.values["scale"].shape == ()
    assert graph.values["scale"].dtype == "float16"
    assert graph.values["mask"].dtype == "bool"
    assert graph.values["d"].shape is None
    index = graph.values["index"].const
    assert index is not None and index.dtype == np.int64 and index.tolist() == [1, 0]
    split, clip, keeper, opaque, norm = graph.nodes[1:]
    assert keeper.inputs == ("a",) and keeper.outputs == ()
    assert split.outputs == ("a", "", "b")
    assert split.ints("sizes") == (1, 4, 1)
    assert clip.inputs == ("a", "", "b")
    assert opaque.attrs["reason"] == 'a {brace}, an axis=3, a "quote" and a # hash'
    assert (norm.attrs["epsilon"], norm.attrs["keep"], norm.attrs["w"]) == (1e-5, False, (0.5, 2.0))


def test_shapes_may_be_left_out_and_are_inferred() -> None:
    short = parse(
        """
        # a comment, and an empty line

        input x: [1,8,4,4]
        param w: [16,8,3,3]
        a = conv(x, w) {pads=[1,1,0,0]}
        p, q = split(a) {axis=1, sizes=[10,6]}
        return p, q
        """
    )
    assert print_graph(short).splitlines()[2:4] == [
        "a: [1,16,3,3] = conv(x, w) {pads=[1,1,0,0]}",
        "p: [1,10,3,3], q: [1,6,3,3] = split(a) {axis=1, sizes=[10,6]}",
    ]


NAMES = st.one_of(
    st.sampled_from(
        ["return", "input", "param", "const", "_", "a:0", "x/y.z-1", "=", "}", "é", "\n"]
    ),
    st.text(min_size=1, max_size=5),
)
SHAPES = st.lists(st.integers(0, 9), max_size=4).map(tuple)
FINITE = st.floats(allow_nan=False)
ATTRS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,6}", fullmatch=True).filter(lambda key: key != "_"),
    st.one_of(
        st.booleans(), st.integers(-9, 9), FINITE, st.text(max_size=8),
        st.lists(st.integers(-9, 9), max_size=3).map(tuple),
        st.lists(FINITE, max_size=3).map(tuple),
        st.lists(st.text(max_size=4), max_size=3).map(tuple),
    ),
    max_size=3,
)  # fmt: skip


@given(names=st.lists(NAMES, min_size=5, max_size=5, unique=True), shape=SHAPES, attrs=ATTRS)
def test_any_name_shape_and_attribute_survives(
    names: list[str], shape: tuple[int, ...], attrs: dict[str, int]
) -> None:
    x, w, c, y, z = names
    const = np.arange(np.prod(shape, dtype=np.int64)).reshape(shape)
    values = {
        x: Value(x, shape, "float32", "input"),
        w: Value(w, shape, "int8", "param", source=w),
        c: Value(c, shape, "int64", "const", const),
        y: Value(y, None),
        z: Value(z, shape, "float64"),
    }
    node = Node("opaque", (x, "", w, c), (y, "", z), attrs)
    graph = Graph(values, (node,), (x,), (z, y))
    check(graph)
    again = parse(print_graph(graph))
    assert print_graph(again) == print_graph(graph)
    assert again.inputs == (x,) and again.outputs == (z, y)
    assert again.nodes[0].inputs == node.inputs and again.nodes[0].outputs == node.outputs
    assert json.dumps(again.nodes[0].attrs) == json.dumps(dict(sorted(attrs.items())))
    assert [v.shape for v in again.values.values()] == [v.shape for v in values.values()]
    assert np.array_equal(again.values[c].const, const)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4"])
def test_contents_of_small_types_survive(dtype: str) -> None:
    import ml_dtypes

    contents = np.array([1, -2], dtype=getattr(ml_dtypes, dtype))
    graph = Graph({"c": Value("c", (2,), dtype, "const", contents)}, (), (), ("c",))
    text = print_graph(graph)
    assert (
        text == f"const c: {dtype}[2] = {[1, -2] if dtype == 'int4' else [1.0, -2.0]}\nreturn c\n"
    )
    again = parse(text).values["c"].const
    assert again is not None and again.dtype == contents.dtype
    assert again.tolist() == contents.tolist()


def test_a_graph_without_outputs_prints_a_bare_return() -> None:
    assert print_graph(parse("input x: [2]\nreturn\n")) == "input x: [2]\nreturn\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("y = relu(x)", "'relu' is no canonical op"),
        ("y = pointwise.relu(x", "expected , after token 5, got ''"),
        ("y = pointwise.relu(x x)", "expected , after token"),
        ("y pointwise.relu(x)", "expected , after token 1, got 'pointwise.relu'"),
        ("y = pointwise.relu(z)", "z"),
        ("y: [1,2 = pointwise.relu(x)", "expected , after token"),
        ("y: [2,-1] = pointwise.relu(x)", "'y' has a negative extent"),
        ("y: [2,a] = pointwise.relu(x)", "invalid literal for int()"),
        ("x: [2,3] = pointwise.relu(x)", "'x' is defined twice"),
        ("y: [2,3], z = split(x)", "either every result has a shape or none"),
        ("y = concat(x, x) {axis=2}", "'concat' lacks an operand, axis or attribute"),
        ("y = pointwise.relu(x) {axis=1", "expected , after token 10, got ''"),
        ("y = pointwise.relu(x) {axis}", "expected = after token"),
        ("y = pointwise.relu(x) {axis=one}", "Expecting value"),
        ("y = pointwise.relu(x) trailing", "nothing may follow, got 'trailing'"),
        ("return x y", "expected , after token"),
        ("return x, ;", "expected a name, got ';'"),
        ("input z", "input 'z' needs a name and a shape"),
        ("param _: [2]", "param '' needs a name and a shape"),
        ("const c: int64[3] = [1, 2]", "cannot reshape array of size 2"),
        ("const c: int64[1]", "expected = after token"),
        ("const c: uint8[1] = [300]", "out of bounds"),
        ("const c: nothing[1] = [1]", "data type 'nothing' not understood"),
        ("const c: [1] =", "expected a value at the end of the line"),
        ('"unfinished: [1] = pointwise.relu(x)', "Unterminated string"),
    ],
)
def test_a_malformed_line_is_named(line: str, why: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        parse(f"input x: [2,3]\n{line}\n")
    assert caught.value.what == "this is not the text of a graph"
    assert caught.value.where == f"line 2: {line}"
    assert why in str(caught.value.why)


@given(st.text(alphabet='xyw=(){}[]:,._"\\ #0123é\nreturnpam', max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        graph = parse(text)
    except InvalidModel:
        return
    assert print_graph(parse(print_graph(graph))) == print_graph(graph)
