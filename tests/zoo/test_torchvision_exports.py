"""Torchvision networks the way PyTorch's exporters write them; `make zoo` runs this.

The files take 8 GB and are not in the repository: `benchmarks/zoo/export.py` writes them, and
the environment variable GRAPHPRUNE_ZOO names their folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphprune
from tests.zoo import claims

FOLDER = Path(os.environ.get("GRAPHPRUNE_ZOO", claims.ROOT / "zoo"))
MODELS = claims.files(
    FOLDER, "write them with: python benchmarks/zoo/export.py --out zoo; then GRAPHPRUNE_ZOO=zoo"
)

pytestmark = pytest.mark.zoo


@pytest.fixture(scope="module", params=MODELS, ids=claims.title)
def result(request: pytest.FixtureRequest) -> Iterator[graphprune.Result]:
    """One model, pruned once for all that is claimed of it."""
    yield graphprune.prune(request.param, macs=claims.MACS)


def test_the_masked_original_is_equal(result: graphprune.Result) -> None:
    claims.assert_proven(result, 1e-5)


def test_the_budget_is_kept_and_used_up(result: graphprune.Result) -> None:
    claims.assert_on_budget(result)


def test_nearly_every_convolution_is_narrowable(result: graphprune.Result) -> None:
    claims.assert_covered(result.inspection)
