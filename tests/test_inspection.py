"""What may be cut of a model, and what is kept whole."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from graphprune.errors import BadData, UnsupportedModel
from graphprune.inspection import inspect, without
from tests.nets import Draft, build


def test_a_path_and_a_proto_are_inspected_alike(tmp_path: Path) -> None:
    model = build("resnet")
    onnx.save(model, tmp_path / "net.onnx")
    one, other = inspect(model), inspect(str(tmp_path / "net.onnx"))
    assert one.coupling.text() == other.coupling.text()
    assert one.kept == ()
    assert one.cost_model.full == other.cost_model.full


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["c2.w"], ("g1", "g2")),
        (["c2"], ("g1", "g2")),
        (["conv2"], ("g1", "g2")),
        (["bn2.*"], ("g2",)),
        (["g3"], ("g3",)),
        (["g2", "g3"], ("g2", "g3")),
        (["c1"], ("g1",)),
        (["fc.w"], ("g1",)),
        (["*"], ("g1", "g2", "g3")),
    ],
)
def test_patterns_name_parameters_layers_nodes_and_groups(
    keep: list[str], kept: tuple[str, ...]
) -> None:
    found = inspect(build("resnet"), keep=keep)
    assert found.kept == kept
    assert {g.name for g in found.coupling} == {"g1", "g2", "g3"} - set(kept)


def test_a_pattern_may_name_what_is_frozen_anyway() -> None:
    m = Draft()
    m.output(m.conv(m.op("Relu", m.conv(m.input("x", 1, 3, 4, 4), 8)), 4))
    assert inspect(m.proto(), keep=["c2"]).kept == ("g1",)
    m = Draft()
    m.output(m.conv(m.input("x", 1, 3, 4, 4), 4))
    assert inspect(m.proto(), keep=["c1.w"]).kept == ()


def test_a_pattern_for_nothing_is_refused() -> None:
    with pytest.raises(BadData, match="--keep 'c9\\.\\*' matches no layer") as error:
        inspect(build("resnet"), keep=["c1", "c9.*"])
    assert error.value.fix == "see the names with: graphprune inspect MODEL"


def test_exact_keeps_what_is_only_approximate() -> None:
    found = inspect(build("convnext"), exact=True)
    assert found.kept == ("g1",)
    assert all(g.exact for g in found.coupling)


def test_what_an_operator_cannot_follow_is_kept_whole() -> None:
    found = inspect(build("resnet"))
    less, names = without(found, UnsupportedModel("cannot", where="conv2"))
    assert names == ("g1", "g2")
    assert less.kept == names
    assert [g.name for g in less.coupling] == ["g3"]
    rest, more = without(less, UnsupportedModel("cannot", where="conv4"))
    assert (more, rest.coupling.groups) == (("g3",), ())


def test_an_operator_without_groups_is_no_help() -> None:
    found = inspect(build("resnet"))
    error = UnsupportedModel("cannot", where="nowhere")
    with pytest.raises(UnsupportedModel) as raised:
        without(found, error)
    assert raised.value is error
