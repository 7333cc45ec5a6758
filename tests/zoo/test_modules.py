"""The module zoo: every network is narrowed to half its channels, proven, trained and exported."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.zoo.modules import table
from benchmarks.zoo.modules.architectures import timm_architectures, torchvision_architectures
from benchmarks.zoo.modules.run import measure

SECONDS = 600.0
_NAMED = (
    "res2net hrnet dla dpn ghostnet mixnet levit mobilevit fastvit efficientformer repvgg nfnet "
    "csp selecsls skresnet resnest xception inception_v4 coat crossvit cait xcit twins swin maxvit "
    "volo poolformer mixer gmlp convmixer focalnet davit gcvit edgenext efficientvit hgnet "
    "mambaout starnet repvit visformer nest pit tnt eva02 beit sequencer2d"
)
FAMILIES = _NAMED.split()

needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_in_the_zoo(family: str) -> None:
    assert any(family in architecture.name for architecture in timm_architectures())


def test_the_zoo_is_large() -> None:
    assert len({architecture.name for architecture in timm_architectures()}) >= 120


@pytest.mark.zoo
@needs_timm
@pytest.mark.parametrize("key", [architecture.key for architecture in timm_architectures()])
def test_a_network_of_timm(key: str) -> None:
    assert table.problem(measure("ours", key, SECONDS)) == ""


@pytest.mark.zoo
@needs_timm
def test_torchvision() -> None:
    """All of them in one test: what there is can only be listed where torchvision is installed."""
    found = [measure("ours", a.key, SECONDS) for a in torchvision_architectures()]
    assert [f"{each['key']}: {table.problem(each)}" for each in found if table.problem(each)] == []
