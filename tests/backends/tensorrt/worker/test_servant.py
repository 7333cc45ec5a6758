"""What runs beside TensorRT must run where nothing else is, under Python 3.8."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from graphprune.backends import worker_process
from graphprune.backends.tensorrt import worker
from graphprune.backends.tensorrt.worker.failures import BackendError
from graphprune.backends.tensorrt.worker.servant import Servant

FOLDER = Path(str(worker.__file__)).parent
FILES = [*sorted(FOLDER.glob("*.py")), Path(worker_process.__file__)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_python_3_8_and_imports_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(str(node.module).partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def test_types_are_not_evaluated() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        first = [node for node in tree.body if isinstance(node, ast.ImportFrom)][:1]
        defines = any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))
        assert not defines or [node.module for node in first] == ["__future__"]


def test_nothing_runs_before_an_engine_is_loaded() -> None:
    for call in ("run", "bind", "time", "profile", "inspect"):
        with pytest.raises(BackendError, match="no engine has been loaded"):
            getattr(Servant(), call)({"arrays": [], "seconds": 1.0}, [])
