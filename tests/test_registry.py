"""Registries make passes of specs, and specs of passes; wrong ones are refused in words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from graphprune.errors import BadData
from graphprune.registry import Registry


@dataclass(frozen=True)
class Thing:
    """A thing.

    Source: Doe, "Things", 2001.
    """

    size: int = 1
    share: float = 1e-16
    marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0:
            raise BadData(f"size is {self.size}", fix="give a natural number")


@dataclass(frozen=True)
class Plain:
    needs = frozenset({"data"})


@pytest.fixture
def registry() -> Registry[object]:
    made: Registry[object] = Registry("thing")
    made.register("small")(Thing)
    made.register("plain")(Plain)
    return made


def refused(registry: Registry[object], spec: object) -> str:
    with pytest.raises(BadData) as caught:
        registry.spec(spec)
    return str(caught.value)


def test_a_pass_is_made_by_name_with_its_options(registry: Registry[object]) -> None:
    assert registry.names == ("plain", "small")
    assert [option.name for option in registry.options("small")] == ["size", "share", "marks"]
    assert registry.create("small") == Thing()
    assert registry.create("small", {"size": 3}) == Thing(3)
    assert registry.create("small:size=3,share=0.5") == Thing(3, 0.5)
    assert registry.create("small:size=3", {"share": 0.5}) == Thing(3, 0.5)
    assert registry.create(Thing(3), {"share": 0.5}) == Thing(3, 0.5)
    made = Thing(3)
    assert registry.create(made) is made


def test_a_pass_has_one_spec_without_defaults(registry: Registry[object]) -> None:
    assert registry.spec("small") == "small"
    assert registry.spec(" small : share = 0.50, size=1") == "small:share=0.5"
    assert registry.spec("small:share=1e-08,size=3") == "small:size=3,share=1e-8"
    assert registry.spec(Thing()) == "small"
    assert registry.spec(Thing(share=1e-8)) == "small:share=1e-8"
    assert registry.create(registry.spec(Thing(2, 1 / 3))) == Thing(2, 1 / 3)


def test_a_name_is_taken_once(registry: Registry[object]) -> None:
    with pytest.raises(ValueError, match="thing 'small' is registered twice"):
        registry.register("small")(Thing)


def test_needs_are_those_of_the_class(registry: Registry[object]) -> None:
    assert registry.needs("small:size=3") == frozenset()
    assert registry.needs("plain") == registry.needs(Plain()) == {"data"}

    class Greedy:
        needs = frozenset({"data", "luck"})

    with pytest.raises(ValueError, match=r"thing 'greedy' needs \['luck'\]"):
        registry.register("greedy")(Greedy)


def test_an_entry_says_what_a_pass_is(registry: Registry[object]) -> None:
    entry = registry.entry("small")
    assert (entry.summary, entry.source) == ("A thing.", 'Doe, "Things", 2001.')
    assert list(map(str, entry.options)) == ["size=1", "share=1e-16", "marks"]
    assert registry.entry("plain").needs == {"data"}


def test_unknown_names_and_options_list_the_known_ones(registry: Registry[object]) -> None:
    assert refused(registry, "big") == (
        "BadData: no thing is called 'big'\n  fix:   choose one of: plain, small"
    )
    assert refused(registry, "big:size=1") == (
        "BadData: no thing is called 'big'\n"
        "  where: big:size=1\n"
        "  fix:   choose one of: plain, small"
    )
    assert refused(registry, "small:colour=1") == (
        "BadData: thing 'small' has no option 'colour'\n"
        "  where: small:colour=1\n"
        "  fix:   its options are: size=1, share=1e-16, marks"
    )
    assert refused(registry, "plain:size=1") == (
        "BadData: thing 'plain' has no option 'size'\n"
        "  where: plain:size=1\n"
        "  fix:   its options are: none"
    )
    with pytest.raises(BadData, match="thing 'small' has no option 'colour'"):
        registry.create("small", {"colour": 1})


def test_wrong_values_say_what_was_expected(registry: Registry[object]) -> None:
    assert refused(registry, "small:size=big") == (
        "BadData: option 'size' of thing 'small' cannot be 'big'\n"
        "  where: small:size=big\n"
        "  why:   expected a whole number\n"
        "  fix:   for example: size=1"
    )
    assert refused(registry, "small:marks=a") == (
        "BadData: option 'marks' of thing 'small' cannot be given as text\n"
        "  where: small:marks=a\n"
        "  fix:   give an instance of the class, in Python"
    )


def test_what_a_pass_itself_refuses_is_refused_with_the_spec(registry: Registry[object]) -> None:
    assert refused(registry, "small:size=-1") == (
        "BadData: size is -1\n  where: thing 'small:size=-1'\n  fix:   give a natural number"
    )


def test_what_cannot_be_recorded_is_refused(registry: Registry[object]) -> None:
    assert refused(registry, 3) == (
        "BadData: 3 is no registered thing\n"
        "  why:   plans record passes by name\n"
        "  fix:   register its class, or choose one of: plain, small"
    )
    assert refused(registry, Thing(marks=("a",))) == (
        "BadData: option 'marks' of thing 'small' cannot be ('a',)\n"
        "  why:   plans record options as text, and no text stands for this value"
    )
