"""``graphprune backends``."""

from __future__ import annotations

import sys

import pytest

from tests.cli.running import document, run


def test_every_engine_is_listed_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    found = {row["backend"]: row for row in document(run("backends", "--json"))["backends"]}
    assert {"onnxruntime", "onnxruntime provider=cuda", "openvino", "torch"} <= set(found)
    assert {"torch mode=inductor", "torch device=cuda", "torch mode=cuda-graph device=cuda"} <= set(
        found
    )
    assert found["onnxruntime"]["why"] is None
    assert found["onnxruntime"]["fix"] is None
    assert found["openvino"]["fix"] == "pip install 'graphprune[openvino]'"
    assert found["torch"]["fix"] == "pip install 'graphprune[torch]'"
    assert found["onnxruntime provider=tensorrt"]["fix"] == "pip install 'onnxruntime-gpu'"


def test_every_engine_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    lines = run("backends").stdout.splitlines()
    assert any(line.split() == ["onnxruntime", "usable"] for line in lines)
    [line] = [line for line in lines if line.startswith("openvino")]
    assert line.split()[1] == "absent"
    assert line.endswith("; pip install 'graphprune[openvino]'")


def test_tensorrt_is_listed_with_what_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHPRUNE_TENSORRT_PYTHON", "/nowhere/python")
    found = {row["backend"]: row for row in document(run("backends", "--json"))["backends"]}
    assert found["tensorrt"]["why"].startswith("the interpreter cannot be started: /nowhere/python")
    assert "--python or GRAPHPRUNE_TENSORRT_PYTHON" in found["tensorrt"]["fix"]
