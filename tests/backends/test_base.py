"""The registry, with backends made up for the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from graphprune.backends import base
from graphprune.backends.base import Conditions, Engine, Model, Precision, Shapes
from graphprune.data import Array
from graphprune.errors import BackendError, BackendUnavailable


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    base.names()
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    yield


@dataclass(frozen=True)
class Abacus:
    name: ClassVar[str] = "abacus"
    extra: ClassVar[str] = "wood"
    beads: int = 10

    def available(self) -> str | None:
        return None if self.beads else "no beads"

    def build(
        self,
        model: Model,
        *,
        shapes: Shapes | None = None,
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> Engine:
        raise NotImplementedError


class Counted(Engine):
    """An engine with nothing but what every engine must have."""

    def __init__(self) -> None:
        self.inputs = ()
        self.outputs = ("y",)
        self.conditions = Conditions("abacus", "1.2", "wood", "fp32", 1, pinned=True)
        self.calls = 0

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.calls += 1
        return {}

    def close(self) -> None:
        """There is nothing to give back."""


def test_a_registered_backend_is_found_with_its_options() -> None:
    base.register(Abacus)
    assert base.names() == tuple(sorted(base.names()))
    assert {"abacus", "onnxruntime"} <= set(base.names())
    assert base.get("abacus", beads=3) == Abacus(beads=3)


def test_a_name_is_registered_once() -> None:
    base.register(Abacus)
    with pytest.raises(ValueError, match="two backends are named 'abacus'"):
        base.register(Abacus)


def test_a_backend_that_cannot_be_used_names_its_extra() -> None:
    base.register(Abacus)
    with pytest.raises(BackendUnavailable) as caught:
        base.get("abacus", beads=0)
    assert str(caught.value) == (
        "BackendUnavailable: backend 'abacus' cannot be used here\n"
        "  why:   no beads\n"
        "  fix:   pip install 'graphprune[wood]'"
    )


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        base.get("crystal ball")
    assert caught.value.what == "there is no backend named 'crystal ball'"
    assert caught.value.fix is not None
    assert caught.value.fix.startswith("use one of: ")
    assert "onnxruntime" in caught.value.fix


def test_every_engine_can_be_timed() -> None:
    engine = Counted()
    durations = engine.time({}, seconds=0.002, warmup=0.001)
    assert 1 < len(durations) < engine.calls


def test_what_an_engine_need_not_do_is_an_error_that_names_it() -> None:
    with pytest.raises(BackendError, match="abacus gives no times of single layers"):
        Counted().profile({})
    with pytest.raises(BackendError, match="engines of abacus cannot be saved"):
        Counted().save(Path("engine"))


def test_conditions_are_stated() -> None:
    assert str(Counted().conditions) == "abacus 1.2, wood, fp32, 1 thread, pinned"
    two = Conditions("abacus", "1.2", "wood", "fp32", 2)
    assert str(two) == "abacus 1.2, wood, fp32, 2 threads, not pinned"
    assert two.to_dict()["threads"] == 2


def test_variants_are_all_backends_and_their_devices() -> None:
    base.register(Abacus)
    found = base.variants()
    assert Abacus() in found
    assert {backend.name for backend in found} == set(base.names())
    assert [one.provider for one in found if one.name == "onnxruntime"] == [  # type: ignore[attr-defined]
        "cpu",
        "cuda",
        "tensorrt",
    ]
