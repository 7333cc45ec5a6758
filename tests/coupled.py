"""Text in, text out: the groups of a graph that is written down."""

from __future__ import annotations

from textwrap import dedent

from graphprune.groups import Coupling
from graphprune.ir.check import check
from graphprune.ir.text import parse
from graphprune.passes.couple import couple


def coupled(text: str) -> Coupling:
    """The coupling of a graph's text."""
    graph = parse(dedent(text))
    check(graph)
    return couple(graph)


def groups(text: str) -> str:
    """Its groups and frozen axes, one a line."""
    return coupled(text).text() + "\n"
