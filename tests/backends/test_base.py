"""The registry, with backends made up for the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from graphprune.backends import base
from graphprune.backends.base import Engine, Model
from graphprune.errors import BackendUnavailable


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

    def build(self, model: Model, *, threads: int | None = None) -> Engine:
        raise NotImplementedError


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
