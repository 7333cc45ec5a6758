"""Sensitivities of whole networks, against loops over every result that a layer gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from graphprune.data import Feeds
from graphprune.errors import BadData
from graphprune.evidence import Array, Evidence
from graphprune.frontends.onnx import load, lower
from graphprune.observation import ObservedOnnx
from graphprune.passes.couple import couple
from graphprune.passes.score import score
from graphprune.passes.score.readers import data_points
from graphprune.scores import Scores
from tests.networks import chain, random_tensors
from tests.onnxtext import model

NET = """
    net (float[N,3,6,6] x) => (float[N,4] y)
    <float[6,3,3,3] a, float[6,1,3,3] dw, float[5,6,3,3] b, float[4,20] w> {
        p = Conv<pads = [1,1,1,1]>(x, a)
        q = Conv<group = 6, pads = [1,1,1,1]>(p, dw)
        r = Relu(q)
        s = Conv<strides = [2,2]>(r, b)
        f = Flatten(s)
        y = Gemm<transB = 1>(f, w)
    }
"""


def images(samples: int, seed: int = 0) -> Feeds:
    rng = np.random.default_rng(seed)
    return {"x": rng.standard_normal((samples, 3, 6, 6)).astype(np.float32)}


def scored(proto: onnx.ModelProto, feeds: Sequence[Feeds], **options: Any) -> Scores:
    pytest.importorskip("onnxruntime")
    lowered = lower(load(proto))
    evidence = Evidence(lowered.contents, ObservedOnnx(lowered, feeds))
    return score("pfp", couple(lowered.graph), evidence, **options)


def activations(proto: onnx.ModelProto, feed: Feeds, *names: str) -> list[np.ndarray]:
    lowered = lower(load(proto))
    (found,) = ObservedOnnx(lowered, [feed]).activations(names)
    return [found[name] for name in names]


def weight(proto: onnx.ModelProto, name: str) -> np.ndarray:
    tensors = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    return tensors[name].astype(np.float64)


def largest(rows: Iterator[tuple[np.ndarray, np.ndarray]], channels: int, edge: bool) -> np.ndarray:
    """The largest shares over results given as weights and inputs of shape (channels, taps)."""
    found = np.zeros(channels)
    for weights, inputs in rows:
        for w in (np.maximum(weights, 0), np.maximum(-weights, 0)):
            for a in (np.maximum(inputs, 0), np.maximum(-inputs, 0)):
                parts = w * a
                if parts.sum() > 1.1921e-7:
                    mine = parts.max(axis=1) if edge else parts.sum(axis=1)
                    found = np.maximum(found, mine / parts.sum())
    return found


def of_conv(w: np.ndarray, x: np.ndarray, stride: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every result of a convolution without padding, its kernel 3 x 3."""
    for image in x.astype(np.float64):
        for i in range(0, x.shape[2] - 2, stride):
            for j in range(0, x.shape[3] - 2, stride):
                patch = image[:, i : i + 3, j : j + 3].reshape(x.shape[1], 9)
                for filters in w:
                    yield filters.reshape(x.shape[1], 9), patch


def of_linear(
    w: np.ndarray, x: np.ndarray, channels: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for sample in x.astype(np.float64):
        for row in w:
            yield row.reshape(channels, -1), sample.reshape(channels, -1)


@pytest.mark.parametrize("kind", ["channel", "edge"])
def test_it_equals_a_loop_over_every_result(kind: str) -> None:
    proto, feed = model(NET), images(3)
    scores = scored(proto, [feed], sensitivity=kind)
    relu, flat = activations(proto, feed, "r", "f")
    edge = kind == "edge"
    # The depthwise convolution passes its channels on to the one that sums over them.
    first = largest(of_conv(weight(proto, "b"), relu, 2), 6, edge)
    np.testing.assert_allclose(scores["g1"][0], first, atol=1e-6)
    second = largest(of_linear(weight(proto, "w"), flat, 5), 5, edge)
    np.testing.assert_allclose(scores["g2"][0], second, atol=1e-6)


def test_batches_are_streamed() -> None:
    proto, feed = model(NET), images(6)
    whole = scored(proto, [feed])
    parts = scored(proto, [{"x": feed["x"][:1]}, {"x": feed["x"][1:4]}, {"x": feed["x"][4:]}])
    for name in ("g1", "g2"):
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-6)


def test_a_group_takes_the_largest_over_its_readers() -> None:
    both = """
        net (float[1,3,6,6] x) => (float[1,2,6,6] y, float[1,2,6,6] z)
        <float[6,3,1,1] a, float[2,6,1,1] b, float[2,6,1,1] c> {
            p = Conv(x, a)
            y = Conv(p, b)
            z = Conv(p, c)
        }
    """
    proto = model(both)
    found = scored(proto, [images(1)])["g1"][0]
    lone = []
    for other in ("b", "c"):
        copy = onnx.ModelProto()
        copy.CopyFrom(proto)
        zero = next(t for t in copy.graph.initializer if t.name == other)
        zero.CopyFrom(numpy_helper.from_array(np.zeros((2, 6, 1, 1), np.float32), other))
        lone.append(scored(copy, [images(1)])["g1"][0])
    np.testing.assert_allclose(found, np.maximum(*lone), atol=1e-7)


def test_a_dead_channel_scores_nothing() -> None:
    proto = model(NET)
    tensor = next(t for t in proto.graph.initializer if t.name == "a")
    dead = numpy_helper.to_array(tensor).copy()
    dead[2] = 0
    tensor.CopyFrom(numpy_helper.from_array(dead, "a"))
    scores = scored(proto, [images(3)])["g1"][0]
    assert scores[2] == 0
    assert (np.delete(scores, 2) > 0).all()


def test_too_few_data_points_are_noted() -> None:
    scores = scored(model(NET), [images(3)])
    assert scores.notes == (
        "sensitivities are over 3 data points; for a probability of failure of 1e-16 they should "
        "be over 152",
    )


def test_sensitivities_of_single_weights_are_noted() -> None:
    needed = data_points(couple(lower(load(model(NET))).graph), 0.5)
    scores = scored(model(NET), [images(needed)], delta=0.5, sensitivity="edge")
    assert scores.notes == (
        "sensitivities are those of single weights; PFP's bound needs channels'",
    )


def test_more_data_points_than_the_formula_asks_for_are_not_looked_at() -> None:
    proto, delta = model(NET), 0.5
    needed = data_points(couple(lower(load(proto)).graph), delta)
    feed = images(needed + 20)
    exact = scored(proto, [{"x": feed["x"][:needed]}], delta=delta)
    more = scored(proto, [feed, {"x": feed["x"] * np.nan}], delta=delta)
    assert more.notes == ()
    np.testing.assert_allclose(more["g1"], exact["g1"], atol=1e-7)


def test_without_data_it_says_so() -> None:
    coupling = chain(4)
    with pytest.raises(BadData, match="criterion 'pfp' needs data"):
        score("pfp", coupling, random_tensors(coupling).__getitem__)


@pytest.mark.parametrize("options", [{"sensitivity": "filter"}, {"delta": 0.0}, {"delta": 1.0}])
def test_options_out_of_range(options: dict[str, Any]) -> None:
    coupling = chain(4)
    with pytest.raises(BadData):
        score("pfp", coupling, random_tensors(coupling).__getitem__, **options)


class Nothing:
    """An observer of no values at all."""

    learnable = frozenset[str]()

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        yield {name: np.ones((1, 3, 6, 6)) for name in names}

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")


def test_units_that_no_layer_sums_over_count_as_one() -> None:
    coupling = chain(4)  # written by hand, without a word on what is summed
    evidence = Evidence(random_tensors(coupling).__getitem__, Nothing())
    np.testing.assert_array_equal(score("pfp", coupling, evidence)["g1"], np.ones((1, 4)))


def test_a_module_and_its_export_score_alike() -> None:
    torch = pytest.importorskip("torch")
    from graphprune.frontends.torch import Observed, trace

    torch.manual_seed(0)
    proto = model(NET)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1, bias=False),
        torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 5, 3, 2, bias=False),
        torch.nn.Flatten(),
        torch.nn.Linear(20, 4, bias=False),
    ).eval()
    for index, name in ((0, "a"), (1, "dw"), (3, "b"), (5, "w")):
        net[index].weight.data = torch.tensor(weight(proto, name), dtype=torch.float32)
    data = [torch.tensor(images(4)["x"])]
    traced = trace(net, (torch.randn(2, 3, 6, 6),))
    evidence = Evidence(traced.contents, Observed(traced, data))
    found = score("pfp", couple(traced.graph), evidence)
    expected = scored(proto, [images(4)])
    for name in ("g1", "g2"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


def test_attention_projections_are_looked_into() -> None:
    torch = pytest.importorskip("torch")
    from graphprune.frontends.torch import Observed, trace

    class Attention(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Linear(5, 8)
            self.qkv = torch.nn.ModuleList(torch.nn.Linear(8, 8, bias=False) for _ in range(3))
            self.out = torch.nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = self.embed(x)
            q, k, v = (layer(x).unflatten(2, (2, 4)).transpose(1, 2) for layer in self.qkv)
            y = (q @ k.transpose(2, 3)).softmax(-1) @ v
            return self.out(y.transpose(1, 2).flatten(2))

    torch.manual_seed(0)
    net = Attention().eval()
    net.embed.weight.data[3] = 0
    net.embed.bias.data[3] = 0
    traced = trace(net, (torch.randn(2, 4, 5),))
    coupling = couple(traced.graph)
    x = torch.randn(6, 4, 5)
    scores = score("pfp", coupling, Evidence(traced.contents, Observed(traced, [x])))
    made = {m.param: group for group in coupling for m in group.members if m.role == "out"}
    embedded = next(g for p, g in made.items() if traced.graph.values[p].source == "embed.weight")
    hidden = net.embed(x).detach().numpy().reshape(-1, 8).astype(np.float64)
    readers = [layer.weight.detach().numpy().astype(np.float64) for layer in net.qkv]
    expected = np.max([largest(of_linear(w, hidden, 8), 8, False) for w in readers], axis=0)
    np.testing.assert_allclose(scores[embedded.name].ravel(), expected, atol=1e-6)
    assert scores[embedded.name].ravel()[3] == 0
    for group in coupling:
        assert 0 < scores[group.name].max() <= 1
