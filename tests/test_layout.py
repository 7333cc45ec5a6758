"""What a checkout must look like so that every tool, and the wheel, see one package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "graphprune"
LINKS = ("passes", "backends")

CROSS_CUTTING = {
    "test_faults.py",
    "test_layout.py",
    "test_properties.py",
    "frontends/onnx/test_operator_suite.py",
    "passes/verify/torch/test_faults.py",
    "training/test_distributed.py",
    "training/test_recovery.py",
    "zoo/test_light_models.py",
    "zoo/test_modules.py",
    "zoo/test_shared_models.py",
    "zoo/test_torchvision_exports.py",
}
"""Tests of several modules at once, by their path below tests/; all others mirror one module."""

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common", "manager"}


def walk(top: Path) -> Iterator[Path]:
    """Yields the Python files below a folder, links followed, in order."""
    for folder, folders, files in os.walk(top, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".py"))


SOURCES = sorted(walk(PACKAGE))
TESTS = sorted(walk(ROOT / "tests"))
EVERY_FILE = [*SOURCES, *TESTS, *walk(ROOT / "examples"), *walk(ROOT / "benchmarks")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def setuptools_section() -> dict[str, Any]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        section: dict[str, Any] = tomllib.load(file)["tool"]["setuptools"]
    return section


def test_pyproject_lists_exactly_the_packages_on_disk() -> None:
    listed = setuptools_section()["packages"]
    found = [
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in SOURCES
        if path.name == "__init__.py"
    ]
    assert listed == sorted(listed)
    assert sorted(found) == listed


def test_every_source_file_lies_in_a_package() -> None:
    folders = {path.parent for path in SOURCES}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_data_file_is_packaged() -> None:
    patterns = setuptools_section()["package-data"]
    globs = [
        f"{package.replace('.', '/')}/{glob}" for package in patterns for glob in patterns[package]
    ]
    kinds = (".j2", ".typed", ".onnx", ".npz", ".css", ".js", ".html", ".json")
    data = [path for path in PACKAGE.rglob("*") if path.suffix in kinds or path.name == "py.typed"]
    assert data
    lost = [name_of(path) for path in data if not any(fnmatch(name_of(path), g) for g in globs)]
    assert lost == []


@pytest.mark.parametrize("name", LINKS)
def test_links_are_relative_and_lead_to_the_sources(name: str) -> None:
    link = PACKAGE / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"
    assert link.resolve() == ROOT / name
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize("name", LINKS)
def test_a_second_copy_cannot_be_imported(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"ImportError: import this package as 'graphprune.{name}', not as '{name}'" in (
        done.stderr
    )


def test_files_and_functions_stay_short() -> None:
    long = [
        f"{name_of(path)}: {lines} lines"
        for path in EVERY_FILE
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    ]
    for path in EVERY_FILE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long.append(f"{name_of(path)}: {node.name} has {lines} lines")
    assert long == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        name_of(path)
        for path in EVERY_FILE
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_has_a_vague_name() -> None:
    assert [name_of(path) for path in EVERY_FILE if set(path.stem.split("_")) & VAGUE] == []


def test_no_handler_swallows_everything() -> None:
    bare = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_tests_mirror_the_sources() -> None:
    lost = []
    for path in TESTS:
        below = path.relative_to(ROOT / "tests")
        if not path.name.startswith("test_") or str(below) in CROSS_CUTTING:
            continue
        sources = ROOT if below.parts[0] == "benchmarks" else PACKAGE
        module = sources / below.parent / path.stem.removeprefix("test_")
        # `global_.py` avoids a keyword; a package is tested as a whole under its own name.
        candidates = (f"{module}.py", f"{module}_.py", f"{module}/__init__.py")
        if not any(Path(candidate).is_file() for candidate in candidates):
            lost.append(name_of(path))
    assert lost == []


def test_the_package_imports_without_any_engine() -> None:
    code = (
        "import sys, graphprune\n"
        "heavy = {'torch', 'onnxruntime', 'tensorrt', 'openvino', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
