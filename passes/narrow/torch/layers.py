"""Attributes of PyTorch's own layers that say a width.

One rule a family: from the shapes the plan leaves to what the layer's attributes have to say.
Rules hold for derived classes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from graphprune.ir import Node
from graphprune.ir.graph import Shape
from graphprune.passes.narrow.torch.agree import path
from graphprune.passes.narrow.torch.expected import Expected

Says = Mapping[str, Any]
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@dataclass(frozen=True, eq=False)
class Site:
    """One layer of a module.

    Attributes:
        path: Its qualified name.
        layer: The layer, as it was.
        expected: The narrowed graph as it has to be.
        calls: Canonical nodes traced inside of it.
    """

    path: str
    layer: Any
    expected: Expected
    calls: tuple[Node, ...]

    def shape(self, name: str) -> Shape | None:
        """New shape of one of its own tensors; None where the graph does not read it."""
        prefix = f"{self.path}." if self.path else ""
        return self.expected.shape(prefix + name) if self._known(prefix + name) else None

    def _known(self, name: str) -> bool:
        return name in self.expected.coupling.graph.values

    def call(self, *families: str) -> Node | None:
        """The first call of an operation inside of the layer."""
        return next((n for n in self.calls if n.family in families), None)

    def operand(self, node: Node | None, index: int) -> Shape | None:
        """New shape of an operand."""
        if node is None or index >= len(node.inputs):
            return None
        return self.expected.shape(node.inputs[index])


Rule = Callable[[Site], Says]
RULES: dict[type, Rule] = {}


def says(*kinds: type) -> Callable[[Rule], Rule]:
    """Register what layers of some classes say of their widths.

    Raises:
        ValueError: A class already has a rule.
    """

    def register(function: Rule) -> Rule:
        for kind in kinds:
            if kind in RULES:
                raise ValueError(f"{kind.__name__} has two rules")
            RULES[kind] = function
        return function

    return register


def rule_of(layer: Any) -> Rule | None:
    """The rule of a layer's class or of the nearest one it is derived from."""
    return next((RULES[kind] for kind in type(layer).__mro__ if kind in RULES), None)


def attributes(expected: Expected) -> Iterator[tuple[str, str, Any]]:
    """Path, attribute and new value of everything layers have to say otherwise."""
    calls: dict[str, list[Node]] = {}
    for node in expected.traced.nodes:
        calls.setdefault(path(node), []).extend(expected.nodes.get(expected.index(node), ()))
    for name, layer in expected.traced.module.named_modules():
        rule = rule_of(layer)
        if rule is None:
            continue
        said = rule(Site(name, layer, expected, tuple(calls.get(name, ()))))
        for key, value in said.items():
            if key in layer.__dict__ and layer.__dict__[key] != value:
                yield name, key, value


@says(nn.modules.conv._ConvNd)
def conv(site: Site) -> Says:
    """Channels in and out, and groups."""
    node = site.call("conv", "conv_transpose")
    w, groups = site.operand(node, 1) or site.shape("weight"), site.layer.groups
    if w is None:
        return {}
    if node is not None:
        groups = int(site.expected.attrs(node)["groups"])  # type: ignore[arg-type]
    wide, narrow = w[0], w[1] * groups
    if site.layer.transposed:
        wide, narrow = narrow, wide
    return {"out_channels": wide, "in_channels": narrow, "groups": groups}


@says(nn.Linear)
def linear(site: Site) -> Says:
    """Features in and out."""
    w = site.shape("weight") or _weight(site)
    return {} if w is None else {"out_features": w[0], "in_features": w[1]}


def _weight(site: Site) -> Shape | None:
    """The shape of a weight that is computed: PyTorch's is (out, in)."""
    node = site.call("contract")
    x, y = site.operand(node, 0), site.expected.shape(node.outputs[0]) if node else None
    return None if x is None or y is None else (y[-1], x[-1])


@says(nn.Bilinear)
def bilinear(site: Site) -> Says:
    """Features of both operands and out."""
    w = site.shape("weight")
    names = ("out_features", "in1_features", "in2_features")
    return {} if w is None else dict(zip(names, w, strict=True))


@says(nn.modules.batchnorm._NormBase)
def channel_norm(site: Site) -> Says:
    """Channels."""
    x = site.operand(site.call("batch_norm", "instance_norm"), 0)
    own = site.shape("weight") or site.shape("running_mean") or (x and x[1:])
    return {"num_features": own[0]} if own else {}


@says(nn.GroupNorm)
def group_norm(site: Site) -> Says:
    """Channels and groups of them."""
    node = site.call("group_norm")
    x = site.operand(node, 0)
    if node is None or x is None:
        return {}
    return {"num_channels": x[1], "num_groups": site.expected.attrs(node)["groups"]}


@says(nn.LayerNorm, *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []))
def layer_norm(site: Site) -> Says:
    """The extents of the last axes."""
    x = site.operand(site.call("layer_norm"), 0)
    rank = len(site.layer.normalized_shape)
    return {} if x is None else {"normalized_shape": x[-rank:]}


@says(nn.Embedding, nn.EmbeddingBag)
def embedding(site: Site) -> Says:
    """Rows and features."""
    w = site.shape("weight")
    return {} if w is None else {"num_embeddings": w[0], "embedding_dim": w[1]}


@says(nn.PReLU)
def prelu(site: Site) -> Says:
    """Slopes."""
    w = site.shape("weight")
    return {} if w is None else {"num_parameters": w[0]}


@says(nn.RNNBase)
def recurrent(site: Site) -> Says:
    """Inputs, hidden units and projected ones."""
    w, r, p = (site.shape(f"weight_{name}_l0") for name in ("ih", "hh", "hr"))
    if w is None or r is None:
        return {}
    gates = _GATES.get(site.layer.mode, 1)
    return {
        "input_size": w[1],
        "hidden_size": r[0] // gates,
        "proj_size": p[0] if p is not None else 0,
    }


@says(nn.RNNCellBase)
def recurrent_cell(site: Site) -> Says:
    """Inputs and hidden units."""
    w, r = site.shape("weight_ih"), site.shape("weight_hh")
    return {} if w is None or r is None else {"input_size": w[1], "hidden_size": r[1]}


@says(nn.MultiheadAttention)
def attention(site: Site) -> Says:
    """One width inside and outside; its forward accepts no other."""
    w, packed = site.shape("out_proj.weight"), site.shape("in_proj_weight")
    if w is None:
        return {}
    k, v = site.shape("k_proj_weight"), site.shape("v_proj_weight")
    wide = packed[1] if packed is not None else w[0]
    return {
        "embed_dim": w[0],
        "head_dim": w[1] // site.layer.num_heads,
        "kdim": k[1] if k is not None else wide,
        "vdim": v[1] if v is not None else wide,
    }
