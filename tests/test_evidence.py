"""Criteria get the weights, and an observer where the user gave data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.evidence import Array, Evidence


class Still:
    """An observer of nothing."""

    learnable = frozenset[str]()

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        return iter(())

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        return iter(())

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Array]]:
        return iter(())


def test_called_with_a_name_it_gives_the_contents() -> None:
    tensors = {"w": np.ones(3)}
    assert Evidence(tensors.__getitem__)("w") is tensors["w"]


def test_the_observer_is_handed_on() -> None:
    observer = Still()
    assert Evidence(lambda name: np.ones(1), observer).observed("taylor") is observer


def test_without_an_observer_the_error_says_what_to_give() -> None:
    with pytest.raises(BadData) as caught:
        Evidence(lambda name: np.ones(1)).observed("taylor")
    assert str(caught.value) == (
        "BadData: criterion 'taylor' needs data\n"
        "  why:   it looks at what the model does, not at its weights alone\n"
        "  fix:   give calibration batches: data="
    )
