"""JSON documents."""

from __future__ import annotations

import json

from graphprune.compiler import prune
from graphprune.report.documents import dumped, inspection_document, result_document
from tests.report.drawn import DIGITS, mixed


def test_numbers_that_json_lacks_are_null() -> None:
    document = {"a": float("inf"), "b": [float("nan"), 1.5], "c": (2,)}
    assert json.loads(dumped(document)) == {"a": None, "b": [None, 1.5], "c": [2]}


def test_inspection() -> None:
    found = json.loads(dumped(inspection_document(mixed(), None)))
    assert found["model"] is None
    assert found["cost"]["bytes"] is None
    assert found["groups"][3]["approximate"] == ["layer norm 'norm'"]
    assert found["groups"][0]["rows"] == 2
    assert found["frozen"][0] == {
        "param": "stem.weight",
        "axis": 1,
        "width": 3,
        "frozen": 3,
        "role": "in",
        "reason": ["stem", "'x' is an input of the graph"],
    }


def test_result() -> None:
    result = prune(DIGITS, channels=0.5, run=False)
    found = json.loads(dumped(result_document(result, (10, 5))))
    assert found["cost"]["before"]["bytes"] == 10
    assert found["cost"]["after"]["bytes"] == 5
    assert found["proof"]["masked"] is None
    assert [group["kept"] for group in found["groups"]][:4] == [16, 16, 16, 32]
    assert "bytes" not in json.loads(dumped(result_document(result, None)))["cost"]["before"]
