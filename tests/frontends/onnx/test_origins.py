"""The nodes that read a tensor tell which PyTorch parameter an exporter made it of."""

from __future__ import annotations

import onnx

from graphprune.frontends.onnx import load, lower
from graphprune.frontends.onnx.origins import origins
from graphprune.frontends.origin import Origin
from tests.onnxtext import model

FX = "%linear : [num_users=1] = call_function[target=torch.ops.aten.{}.default](args = ({}), ...)"


def found(proto: onnx.ModelProto, **notes: str) -> dict[str, Origin]:
    """The origins, once the nodes that make the named results carry what FX nodes they were."""
    for node in proto.graph.node:
        if node.output[0] in notes:
            node.metadata_props.add(key="pkg.torch.onnx.fx_node", value=notes[node.output[0]])
    return origins(lower(load(proto)))


def linear(*parameters: str) -> str:
    return FX.format("linear", ", ".join(f"%{name}" for name in ("x", *parameters)))


def test_a_tensor_with_a_name_stands_for_the_parameter_of_that_name() -> None:
    proto = model("""
    net (float[1,3,8,8] x) => (float[1,4,8,8] y)
    <float[4,3,1,1] "conv.weight", float[4] "conv.weight_bias"> {
        y = Conv("x", "conv.weight", "conv.weight_bias")
    }
    """)
    assert found(proto) == {
        "conv.weight": Origin(("conv.weight",)),
        "conv.weight_bias": Origin(("conv.weight_bias",)),
    }


PRODUCT = """
net (float[1,5,3] x) => (float[1,5,4] y)
<float[3,4] val_2, float[4] "up.proj.bias"> {
    p = MatMul(x, val_2)
    y = Add(p, "up.proj.bias")
}
"""


def test_the_fx_node_tells_of_a_transposed_weight() -> None:
    note = linear("p_up_proj_weight", "p_up_proj_bias")
    assert found(model(PRODUCT), p=note, y=note) == {
        "val_2": Origin(("up_proj_weight",), transposed=True),
        "up.proj.bias": Origin(("up.proj.bias",)),
    }


def test_an_fx_node_that_computes_its_weight_tells_nothing() -> None:
    note = linear("mul", "p_up_proj_bias")
    assert "val_2" not in found(model(PRODUCT), p=note, y=note)


def test_a_gemm_may_read_the_weight_either_way() -> None:
    for attribute, transposed in (("transB=1", False), ("transB=0", True)):
        proto = model(f"""
        net (float[2,3] x) => (float[2,3] y) <float[3,3] val_7> {{
            y = Gemm <{attribute}> (x, val_7)
        }}
        """)
        note = linear("p_fc_weight")
        assert found(proto, y=note) == {"val_7": Origin(("fc_weight",), transposed)}


def scoped(path: str, op: str = "Conv", name: str = "onnx::Conv_9") -> dict[str, Origin]:
    """The origins where a node in a module of that path reads a folded weight and bias."""
    proto = model(f"""
    net (float[1,3,8,8] x) => (float[1,3,8,8] y)
    <float[3,3,1,1] "{name}", float[3] "onnx::Conv_10"> {{
        y = {op}(x, "{name}", "onnx::Conv_10")
    }}
    """)
    proto.graph.node[0].name = path
    return found(proto)


def test_the_path_of_a_node_tells_the_module() -> None:
    assert scoped("/layer1/layer1.0/conv1/Conv") == {
        "onnx::Conv_9": Origin(("layer1.0.conv1.weight",), guessed=True),
        "onnx::Conv_10": Origin(("layer1.0.conv1.bias",), guessed=True),
    }
    assert scoped("/blocks.3/up/ConvTranspose_1", op="ConvTranspose") == {
        "onnx::Conv_9": Origin(("blocks.3.up.weight",), guessed=True),
        "onnx::Conv_10": Origin(("blocks.3.up.bias",), guessed=True),
    }


def test_other_names_of_nodes_tell_nothing() -> None:
    assert scoped("node_conv2d") == {}
    assert scoped("/conv1/Pad") == {}
    assert scoped("") == {}


def test_a_product_of_the_torchscript_exporter_has_two_candidates() -> None:
    proto = model(PRODUCT.replace("val_2", '"onnx::MatMul_5"'))
    proto.graph.node[0].name = "/up/MatMul"
    names = ("up.weight", "up.proj.weight")
    assert found(proto)["onnx::MatMul_5"] == Origin(names, transposed=True, guessed=True)


TWICE = """
net (float[1,3,8,8] x) => (float[1,3,8,8] y)
<float[3,3,1,1] "onnx::Conv_1", float[3,3,1,1] "onnx::Conv_2"> {
    a = Conv(x, "onnx::Conv_1")
    y = Conv(a, "onnx::Conv_2")
}
"""


def test_two_tensors_are_not_one_parameter() -> None:
    proto = model(TWICE)
    proto.graph.node[0].name, proto.graph.node[1].name = "/mix/Conv", "/mix/Conv_1"
    assert found(proto) == {}


def test_biases_tell_functional_products_of_one_module_apart() -> None:
    proto = model("""
    net (float[1,5,4] x) => (float[1,5,4] y)
    <float[4,4] "onnx::MatMul_1", float[4] "qkv.bias", float[4,4] "onnx::MatMul_2",
     float[4] "proj.bias"> {
        p = MatMul(x, "onnx::MatMul_1")
        q = Add("qkv.bias", p)
        r = MatMul(q, "onnx::MatMul_2")
        y = Add(r, "proj.bias")
    }
    """)
    proto.graph.node[0].name, proto.graph.node[2].name = "/attn/MatMul", "/attn/MatMul_1"
    assert found(proto) == {
        "onnx::MatMul_1": Origin(("qkv.weight",), transposed=True, guessed=True),
        "qkv.bias": Origin(("qkv.bias",)),
        "onnx::MatMul_2": Origin(("proj.weight",), transposed=True, guessed=True),
        "proj.bias": Origin(("proj.bias",)),
    }


def test_a_second_call_looks_like_another_module_and_tells_nothing() -> None:
    proto = model(TWICE)
    proto.graph.node[0].name, proto.graph.node[1].name = "/conv/Conv", "/conv_1/Conv"
    assert found(proto) == {"onnx::Conv_1": Origin(("conv.weight",), guessed=True)}


def test_equal_vectors_that_are_stored_once_tell_nothing() -> None:
    proto = model("""
    net (float[1,4] x) => (float[1,4] y) <float[4] "a.scale", float[4,4] "m.weight"> {
        p = Mul(x, "a.scale")
        q = Gemm <transB=1> (p, "m.weight")
        y = Mul(q, "a.scale")
    }
    """)
    assert found(proto) == {"m.weight": Origin(("m.weight",))}


SHARED = """
net (float[1,4] x) => (float[1,4] y) <float[4,4] "a.weight"> {
    p = Gemm <transB=1> (x, "a.weight")
    y = Gemm <transB=1> (p, "a.weight")
}
"""


def test_a_matrix_of_two_layers_is_known_where_both_name_it() -> None:
    same = found(model(SHARED), p=linear("p_a_weight"), y=linear("p_a_weight"))
    assert same == {"a.weight": Origin(("a.weight",))}
    assert found(model(SHARED), p=linear("p_a_weight"), y=linear("p_b_weight")) == {}


def test_a_tensor_that_goes_by_several_names_tells_nothing() -> None:
    proto = model("""
    net (float[1,4] x) => (float[1,4] y) <float[4,4] "a.weight"> {
        "b.weight" = Identity("a.weight")
        p = Gemm <transB=1> (x, "a.weight")
        y = Gemm <transB=1> (p, "b.weight")
    }
    """)
    assert found(proto) == {}
