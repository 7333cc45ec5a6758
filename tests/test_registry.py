"""Registries refuse duplicates, unknown names and unknown options."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from graphprune.errors import BadData
from graphprune.registry import Registry


@dataclass(frozen=True)
class Thing:
    size: int = 1


@pytest.fixture
def registry() -> Registry[Thing]:
    made: Registry[Thing] = Registry("thing")
    made.register("small")(Thing)
    return made


def test_a_pass_is_made_by_name_with_its_options(registry: Registry[Thing]) -> None:
    assert registry.names == ("small",)
    assert registry.options("small") == ("size",)
    assert registry.create("small", {}) == Thing(1)
    assert registry.create("small", {"size": 3}) == Thing(3)


def test_a_name_is_taken_once(registry: Registry[Thing]) -> None:
    with pytest.raises(ValueError, match="thing 'small' is registered twice"):
        registry.register("small")(Thing)


def test_unknown_names_and_options_list_the_known_ones(registry: Registry[Thing]) -> None:
    with pytest.raises(BadData) as caught:
        registry.create("big", {})
    assert str(caught.value) == "BadData: no thing is called 'big'\n  fix:   choose one of: small"
    with pytest.raises(BadData) as caught:
        registry.create("small", {"colour": 1})
    assert str(caught.value) == (
        "BadData: thing 'small' has no option 'colour'\n  fix:   its options are: size"
    )
