"""Criteria that need data, on ONNX models written as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import pytest

from graphprune.data import Feeds
from graphprune.evidence import Evidence
from graphprune.frontends.onnx import load, lower
from graphprune.observation import ObservedOnnx
from graphprune.passes.couple import couple
from graphprune.passes.score import score
from graphprune.scores import Scores


def evidence_of(proto: onnx.ModelProto, feeds: Sequence[Feeds]) -> tuple[Any, Evidence]:
    """A model's coupling, and its weights and values on data."""
    pytest.importorskip("onnxruntime")
    lowered = lower(load(proto))
    return couple(lowered.graph), Evidence(lowered.contents, ObservedOnnx(lowered, feeds))


def scored(criterion: str, proto: onnx.ModelProto, feeds: Sequence[Feeds], **how: Any) -> Scores:
    """The scores of every group."""
    coupling, evidence = evidence_of(proto, feeds)
    return score(criterion, coupling, evidence, **how)
