"""Imports every module of the installed wheel and asserts that no engine library came with it."""

import importlib
import importlib.util
import pkgutil
from importlib import resources

import graphprune

ENGINES = ("torch", "onnxruntime", "tensorrt", "openvino")

for engine in ENGINES:
    assert importlib.util.find_spec(engine) is None, f"{engine} is installed"

modules = [module.name for module in pkgutil.walk_packages(graphprune.__path__, "graphprune.")]
for name in modules:
    # A __main__ runs the command line when it is imported.
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What is called torch is for PyTorch's models and cannot do without it.
        assert error.name == "torch" and "torch" in name.split("."), f"{name}: {error}"

for package in ("passes", "backends", "ir", "frontends.onnx", "passes.couple", "passes.narrow"):
    assert f"graphprune.{package}" in modules, f"graphprune.{package} is not in the wheel"
for path in (
    "py.typed",
    "frontends/torch/ops/__init__.py",
    "passes/narrow/torch/__init__.py",
    "passes/verify/torch/__init__.py",
    "demo_data/digits.onnx",
    "demo_data/test.npz",
):
    assert resources.files(graphprune).joinpath(path).is_file(), f"{path} is not in the wheel"
print(f"imported {len(modules)} modules of the wheel, without any of {', '.join(ENGINES)}")
