"""Specs: text in, names and typed values out, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.specs import joined, options_of, source_of, split, summary_of


@dataclass(frozen=True)
class Sieve:
    """Lets the small ones
    through.

    Of all :class:`Things`.

    Source: Doe, "Sieves",
    2001.

    Attributes:
        holes: How many,
            at ``least``.
        kind: Round or square.
    """

    holes: int
    width: float = 0.5
    wet: bool = False
    name: str = "fine"
    kind: Literal["round", "square"] = "round"
    limit: int | None = None
    share: float | None = None
    others: tuple[int, ...] = ()
    found: int = field(default=0, init=False)


OPTIONS = {option.name: option for option in options_of(Sieve)}


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("l2", ("l2", {})),
        ("pfp:delta=1e-8", ("pfp", {"delta": "1e-8"})),
        ("pfp:sensitivity=edge,delta=1e-8", ("pfp", {"sensitivity": "edge", "delta": "1e-8"})),
        (" pfp : delta = 1e-8 ", ("pfp", {"delta": "1e-8"})),
        ("file:path=a:b=c", ("file", {"path": "a:b=c"})),
    ],
)
def test_a_spec_is_a_name_and_options(spec: str, found: tuple[str, dict[str, str]]) -> None:
    assert split("criterion", spec) == found
    assert split("criterion", joined(*found)) == found


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "it names nothing"),
        (":delta=1", "it names nothing"),
        ("pfp:", "'' is not OPTION=VALUE"),
        ("pfp:delta", "'delta' is not OPTION=VALUE"),
        ("pfp:delta=", "'delta=' is not OPTION=VALUE"),
        ("pfp:=1", "'=1' is not OPTION=VALUE"),
        ("pfp:delta=1,", "'' is not OPTION=VALUE"),
        ("pfp:delta=1,delta=2", "option 'delta' is given twice"),
    ],
)
def test_what_is_no_spec_is_refused_with_the_grammar(spec: str, why: str) -> None:
    with pytest.raises(BadData) as caught:
        split("criterion", spec)
    assert str(caught.value) == (
        f"BadData: criterion '{spec}' cannot be read\n"
        f"  why:   {why}\n"
        "  fix:   write NAME or NAME:OPTION=VALUE,OPTION=VALUE"
    )


def test_options_are_the_fields_that_can_be_set() -> None:
    assert [str(option) for option in OPTIONS.values()] == [
        "holes",
        "width=0.5",
        "wet=false",
        "name=fine",
        "kind=round",
        "limit=none",
        "share=none",
        "others",
    ]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("holes", "3", 3),
        ("holes", "-3", -3),
        ("width", "1e-8", 1e-8),
        ("width", "2", 2.0),
        ("wet", "true", True),
        ("wet", "False", False),
        ("name", "none", "none"),
        ("kind", "square", "square"),
        ("limit", "7", 7),
        ("limit", "none", None),
        ("share", "0.25", 0.25),
    ],
)
def test_values_have_the_types_of_their_fields(name: str, text: str, value: object) -> None:
    found = OPTIONS[name].read(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("holes", "3.0", "a whole number"),
        ("holes", "none", "a whole number"),
        ("width", "half", "a number"),
        ("width", "nan", "a number"),
        ("width", "inf", "a number"),
        ("wet", "1", "true or false"),
        ("kind", "oval", "round or square"),
        ("limit", "some", "a whole number or none"),
    ],
)
def test_values_of_other_types_are_refused(name: str, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=text):
        OPTIONS[name].read(text)
    assert OPTIONS[name].expected == expected


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("width", 1e-16, "1e-16"),
        ("width", 1e-8, "1e-8"),
        ("width", 1e20, "1e+20"),
        ("width", 0.1, "0.1"),
        ("width", np.float64(0.25), "0.25"),
        ("width", np.float32(0.25), "0.25"),
        ("holes", np.int64(3), "3"),
        ("wet", True, "true"),
        ("limit", None, "none"),
        ("name", "coarse", "coarse"),
    ],
)
def test_values_are_written_as_they_are_read(name: str, value: object, text: str) -> None:
    assert OPTIONS[name].written(value) == text
    assert OPTIONS[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "a,b"),
        ("name", " a"),
        ("others", (1, 2)),
        ("width", float("nan")),
        ("kind", "oval"),
        ("holes", 0.5),
    ],
)
def test_values_that_could_not_be_read_back_are_not_written(name: str, value: Any) -> None:
    assert OPTIONS[name].written(value) is None


def test_docstrings_say_what_a_pass_and_its_options_are() -> None:
    doc = Sieve.__doc__ or ""
    assert summary_of(doc) == "Lets the small ones through."
    assert source_of(doc) == 'Doe, "Sieves", 2001.'
    assert OPTIONS["holes"].about == "How many, at least."
    assert OPTIONS["kind"].about == "Round or square."
    assert (source_of("No paper."), OPTIONS["wet"].about) == ("", "")
