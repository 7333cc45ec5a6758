"""ONNX files by other people, of many exporters and tasks: they lie outside the repository.

The environment variable GRAPHPRUNE_MODELS names their folder. A file that is not listed below
must be narrowed and proven like any other; the lists say which known files cannot be, and why.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

import graphprune
from graphprune.errors import GraphpruneError, InfeasibleBudget, InvalidModel
from tests.zoo import claims

FOLDER = Path(os.environ.get("GRAPHPRUNE_MODELS", claims.ROOT.parent / "shared" / "models"))
MODELS = claims.files(FOLDER, "set GRAPHPRUNE_MODELS to a folder that has some")

# One channel more or less is more than 2 % of the MACs, and the next one does not fit.
COARSE = {"winml_mnist_cntk": "its only groups are 8 and 16 wide"}

# What the engine cannot run either, because the operators belong to somebody's own runtime.
PRIVATE = {
    "deeploy_mlperf_ic": "RequantShift has no domain and no schema",
    "espcn_subpixel_qonnx": "onnx.brevitas::Quant",
    "winml_pcb_aoi": "com.microsoft::LegacyPadding",
}
# What is refused before anything else is asked of it: its nodes are not sorted.
INVALID = {"winml_pcb_aoi": "operand 'conv1_padded' is read before it is computed"}

# What half of the MACs cannot be taken from, and what the refusal says.
REFUSED = {
    # Its three states are inputs and outputs: the channels that they carry leave 91 % of the MACs.
    "gtcrn": "macs cannot be brought down",
    "silero_vad_op18_ifless": "nothing in this model can be narrowed",  # an If holds all of it
}


PLAIN = [model for model in MODELS if not (isinstance(model, Path) and model.stem in PRIVATE)]
ODD = [model for model in MODELS if model not in PLAIN]


def floats(path: Path) -> set[int]:
    """The element types of a model's initializers."""
    return {t.data_type for t in onnx.load(path, load_external_data=False).graph.initializer}


def accepted(path: Path) -> float:
    """The largest relative error that rounding explains; half precision explains more."""
    return 1e-2 if onnx.TensorProto.FLOAT16 in floats(path) else 1e-5


@pytest.mark.parametrize("path", MODELS, ids=claims.title)
def test_every_frozen_axis_has_a_reason(path: Path) -> None:
    if path.stem in INVALID:
        with pytest.raises(InvalidModel, match=INVALID[path.stem]):
            graphprune.inspect(path)
        return
    inspection = graphprune.inspect(path)
    assert all(frozen.reason and all(frozen.reason) for frozen in inspection.coupling.frozen)


@pytest.mark.parametrize("path", PLAIN, ids=claims.title)
def test_half_of_the_macs_are_cut_and_the_rest_is_proven(path: Path) -> None:
    if path.stem in REFUSED:
        with pytest.raises(InfeasibleBudget, match=REFUSED[path.stem]):
            graphprune.prune(path, macs=claims.MACS)
        return
    result = graphprune.prune(path, macs=claims.MACS, round_to=1)
    claims.assert_proven(result, accepted(path))
    claims.assert_on_budget(result, coarse=path.stem in COARSE)


@pytest.mark.parametrize("path", ODD, ids=claims.title)
def test_private_operators_are_narrowed_around_or_refused(path: Path) -> None:
    try:
        result = graphprune.prune(path, macs=claims.MACS, run=False)
    except GraphpruneError as error:
        assert error.why
    else:
        assert result.proof.replay.ok
        claims.assert_on_budget(result)
