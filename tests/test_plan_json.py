"""The text of a plan is read with care: what is damaged is refused by its place."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from graphprune.budget import Budget
from graphprune.errors import BadData, PlanMismatch
from graphprune.plan import Plan, Source
from tests.networks import chain


def written() -> dict[str, Any]:
    """A plan that keeps half of four channels, as JSON's own types."""
    coupling = chain(4)
    alive = coupling.everything()
    alive[coupling.groups[0].units[:, 2:]] = False
    source = Source("onnx", "0123456789abcdef" * 4, "net.onnx")
    plan = Plan.of(coupling, alive, source=source, method={}, budget=Budget(macs=0.5), seed=3)
    document: dict[str, Any] = json.loads(replace(plan, versions={}).to_json())
    return document


def damaged(**fields: Any) -> str:
    document = {k: v for k, v in (written() | fields).items() if v is not ...}
    with pytest.raises(BadData) as caught:
        Plan.from_json(json.dumps(document))
    return str(caught.value)


PARAMETER = {
    "name": "w",
    "torch": [],
    "transposed": False,
    "guessed": False,
    "shape": [2],
    "roles": ["out"],
}
GROUP = {"name": "g1", "width": 4, "kept": 2, "rows": 1, "approximate": []}


@pytest.mark.parametrize(
    ("fields", "where", "why"),
    [
        ({"seed": ...}, "seed", "the field is missing"),
        ({"seed": "3"}, "seed", 'expected a whole number from 0, found "3"'),
        ({"seed": True}, "seed", "expected a whole number from 0, found true"),
        ({"source": {"kind": "onnx"}}, "source.sha256", "expected a text, found null"),
        ({"method": []}, "method", "expected an object, found []"),
        ({"method": {"x": []}}, "method.x", "expected a text, a number or null, found []"),
        ({"budget": {"macs": "1"}}, "budget.macs", 'expected a number, found "1"'),
        ({"versions": {"a": 1}}, "versions.a", "expected a text, found 1"),
        ({"groups": [GROUP | {"kept": 0}]}, "groups[0].kept", "a number from 1, found 0"),
        ({"groups": [GROUP | {"approximate": "x"}]}, "groups[0].approximate", "expected a list"),
        ({"kept": {"w": [1]}}, "kept.w", "expected an object, found [1]"),
        ({"kept": {"w": {"0": 1}}}, "kept.w.0", "expected a list, found 1"),
        ({"kept": {"w": {"0": [1.5]}}}, "kept.w.0", "a whole number from 0, found 1.5"),
        ({"kept": {"w": {"0": [-2]}}}, "kept.w.0", "a whole number from 0, found -2"),
        ({"kept": {"w": {"0": [2, 1]}}}, "kept.w.0", "ascending indices, found [2, 1]"),
        ({"kept": {"w": {"0": [1, 1]}}}, "kept.w.0", "ascending indices, found [1, 1]"),
        ({"kept": {"w": {"0": [2, -1, 1]}}}, "kept.w.0", "ascending indices, found [2, -1, 1]"),
        ({"kept": {"w": {"0,1": [[-1, 0]]}}}, "kept.w.0,1", "a whole number from 0, found -1"),
        ({"kept": {"w": {"0,1": [[1]]}}}, "kept.w.0,1", "2 indices each, found [[1]]"),
        ({"kept": {"w": {"x": [1]}}}, "kept.w.x", "'x' does not name axes"),
        ({"factors": []}, "factors", "expected an object, found []"),
        ({"factors": {"w": 1}}, "factors.w", "expected an object, found 1"),
        ({"factors": {"w": {"0": 1}}}, "factors.w.0", "expected a list, found 1"),
        ({"factors": {"w": {"0": ["1"]}}}, "factors.w.0", 'expected finite numbers, found "1"'),
        ({"factors": {"w": {"0": [True]}}}, "factors.w.0", "finite numbers, found true"),
        ({"factors": {"w": {"0": [float("nan")]}}}, "factors.w.0", "finite numbers, found NaN"),
        ({"factors": {"w": {"0": [1e999]}}}, "factors.w.0", "finite numbers, found Infinity"),
        ({"parameters": {}}, "parameters", "expected a list, found {}"),
        ({"parameters": [PARAMETER | {"torch": ""}]}, "parameters[0].torch", "expected a list"),
        ({"parameters": [PARAMETER | {"roles": []}]}, "parameters[0].roles", "one role for each"),
        ({"parameters": [PARAMETER | {"transposed": 1}]}, "parameters[0].transposed", "or false"),
        ({"parameters": [PARAMETER | {"guessed": None}]}, "parameters[0].guessed", "or false"),
        ({"parameters": [PARAMETER | {"transposed": True}]}, "parameters[0].roles", "two if"),
    ],
)
def test_damage_is_located(fields: dict[str, Any], where: str, why: str) -> None:
    text = damaged(**fields)
    assert text.startswith(f"BadData: the plan is damaged\n  where: {where}\n")
    assert why in text


def test_what_is_no_plan_is_refused() -> None:
    for text in ("", "{", "[]", "{}", '{"format": "other/1"}'):
        with pytest.raises(BadData, match="this is not a plan"):
            Plan.from_json(text)


def test_another_version_is_refused_by_its_number() -> None:
    with pytest.raises(PlanMismatch) as caught:
        Plan.from_json('{"format": "graphprune.plan/2"}')
    assert str(caught.value) == (
        "PlanMismatch: the plan has format 'graphprune.plan/2', this version reads "
        "'graphprune.plan/1'\n"
        "  fix:   read it with the version of graphprune that wrote it, or make a new plan"
    )


def test_fields_that_are_not_known_are_ignored() -> None:
    plan = Plan.from_json(json.dumps(written()))
    again = Plan.from_json(json.dumps(written() | {"comment": "by hand"}))
    assert again.to_json() == plan.to_json()
