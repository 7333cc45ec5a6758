"""The scales of batch norms, read off the graph."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.groups import Coupling
from graphprune.passes.score import score
from tests.coupled import coupled
from tests.networks import chain, random_tensors

NORMED = """
    input x: [1,3,4,4]
    param wa: [6,3,3,3]
    param ga: [6]
    param ba: [6]
    param ma: [6]
    param va: [6]
    param wb: [6,6,1,1]
    param gb: [6]
    param bb: [6]
    param mb: [6]
    param vb: [6]
    param wc: [2,6,1,1]
    a: [1,6,4,4] = conv(x, wa) {pads=[1,1,1,1]}
    na: [1,6,4,4] = batch_norm(a, ga, ba, ma, va)
    b: [1,6,4,4] = conv(na, wb)
    nb: [1,6,4,4] = batch_norm(b, gb, bb, mb, vb)
    RESULT
    c: [1,2,4,4] = conv(s, wc)
    return c
"""


def network(result: str) -> Coupling:
    return coupled(NORMED.replace("RESULT", result))


def test_a_channel_scores_the_scale_of_its_norm() -> None:
    coupling = network("s: [1,6,4,4] = pointwise.relu(nb)")
    tensors = random_tensors(coupling)
    scores = score("bn-scale", coupling, tensors.__getitem__)
    assert [g.name for g in coupling] == ["g1", "g2"]
    np.testing.assert_allclose(scores["g1"], [np.abs(tensors["ga"])])
    np.testing.assert_allclose(scores["g2"], [np.abs(tensors["gb"])])


def test_several_norms_are_averaged() -> None:
    coupling = network("s: [1,6,4,4] = pointwise.add(na, nb)")
    tensors = random_tensors(coupling)
    scores = score("bn-scale", coupling, tensors.__getitem__)
    assert [g.name for g in coupling] == ["g1"]
    mean = (np.abs(tensors["ga"]) + np.abs(tensors["gb"])) / 2
    np.testing.assert_allclose(scores["g1"], [mean])


def test_norms_are_aggregated_as_asked() -> None:
    coupling = network("s: [1,6,4,4] = pointwise.add(na, nb)")
    tensors = random_tensors(coupling)
    scales = np.abs([tensors["ga"], tensors["gb"]])
    for how in ("sum", "max"):
        scores = score(f"bn-scale:aggregate={how}", coupling, tensors.__getitem__)
        np.testing.assert_allclose(scores["g1"], [getattr(np, how)(scales, axis=0)])


def test_groups_without_a_norm_are_named() -> None:
    coupling = chain(8, 5)
    with pytest.raises(BadData) as caught:
        score("bn-scale", coupling, random_tensors(coupling).__getitem__)
    assert str(caught.value) == (
        "BadData: criterion 'bn-scale' needs a batch norm behind every layer that is pruned\n"
        "  where: group g1 (c0.weight), g2 (c1.weight)\n"
        "  why:   no batch norm with scales follows\n"
        "  fix:   keep these layers whole: --keep c0; or choose another criterion"
    )
