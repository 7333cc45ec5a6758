"""``graphprune passes``: whatever is registered is listed, and nothing else has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from graphprune.passes.score import CRITERIA
from graphprune.pipelines.methods import METHODS, PARTS
from tests.cli.running import document, run


@dataclass(frozen=True)
class Abacus:
    """Counts on beads.

    Source: Doe et al., "On Beads", ICML 1901, section 2.

    Attributes:
        beads: How ``many``.
        wire: Of what.
    """

    needs = frozenset({"gradients", "data"})

    beads: int = 10
    wire: str | None = None


@pytest.fixture
def abacus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CRITERIA._classes, "abacus", Abacus)


def listed(*words: str) -> dict[tuple[str, str], Any]:
    rows = document(run("passes", *words, "--json"))["passes"]
    return {(row["kind"], row["name"]): row for row in rows}


def test_everything_registered_is_listed(abacus: None) -> None:
    found = listed()
    assert [name for kind, name in found if kind == "method"] == list(METHODS)
    for part, registry in PARTS.items():
        assert [name for kind, name in found if kind == part] == list(registry.names)
    assert found["criterion", "abacus"] == {
        "kind": "criterion",
        "name": "abacus",
        "summary": "Counts on beads.",
        "options": [
            {
                "name": "beads",
                "takes": "a whole number",
                "default": 10,
                "written": "beads=10",
                "about": "How many.",
            },
            {
                "name": "wire",
                "takes": "text or none",
                "default": None,
                "written": "wire=none",
                "about": "Of what.",
            },
        ],
        "needs": ["data", "gradients"],
        "source": 'Doe et al., "On Beads", ICML 1901, section 2.',
    }


def test_methods_say_what_they_are_made_of() -> None:
    method = listed("pfp-mixed")["method", "pfp-mixed"]
    assert method["parts"] == {"criterion": "pfp", "allocation": "pfp", "selection": "mixed"}
    assert method["summary"] == "--criterion pfp --allocation pfp --selection mixed"
    assert "delta=1e-16" in [option["written"] for option in method["options"]]
    assert "Provable Filter Pruning" in method["source"]


def test_the_table_has_names_options_needs_and_papers(
    abacus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    lines = [line.split() for line in run("passes").stdout.splitlines()]
    assert ["method", "criterion", "allocation", "selection", "needs", "source"] in lines
    assert ["l1", "l1", "uniform", "top", "Li", "2017"] in lines
    assert ["kind", "name", "options", "needs", "source"] in lines
    row = lines.index(["criterion", "abacus", "beads=10", "data,", "gradients", "Doe", "1901"])
    assert lines[row + 1] == ["wire=none"]
    assert ["allocation", "uniform"] in lines


def test_one_name_shows_all_about_it(abacus: None) -> None:
    assert run("passes", "abacus").stdout == (
        "criterion abacus: Counts on beads.\n"
        "  beads=10 (a whole number): How many.\n"
        "  wire=none (text or none): Of what.\n"
        "  needs:  data, gradients\n"
        '  source: Doe et al., "On Beads", ICML 1901, section 2.\n'
    )
    kinds = [kind for kind, _ in listed("pfp")]
    assert kinds == ["method", "criterion", "allocation"]


def test_a_name_that_is_not_there_is_an_error() -> None:
    result = run("passes", "abacus")
    assert result.exit_code == 2
    assert result.stderr == (
        "BadData: no method or pass is called 'abacus'\n  fix:   list them: graphprune passes\n"
    )
