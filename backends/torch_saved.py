"""PyTorch engines as files: the module's exported program, and what it was built for."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphprune.backends.cache import Key
from graphprune.data import InputSpec


def fingerprint(torch: Any, module: Any) -> str:
    """Returns a digest of a module: its structure as it prints, and its state.

    Args:
        torch: The library.
        module: The module.
    """
    digest = hashlib.sha256(str(module).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def key(torch: Any, name: str, model: str, options: dict[str, Any]) -> Key:
    """Returns what an engine depends on.

    Args:
        torch: The library.
        name: Of the backend.
        model: The module's digest.
        options: The backend's options, the precision and the inputs.
    """
    return Key(model, name, torch.__version__, options["device"], options)


def exported(torch: Any, module: Any, arguments: Sequence[Any]) -> bytes:
    """Returns the module's exported program, for the shapes of these arguments.

    Args:
        torch: The library.
        module: Not compiled.
        arguments: Tensors, in the order of `forward`.
    """
    # Weights in another layout would be written with a warning each.
    plain = copy.deepcopy(module).to(memory_format=torch.contiguous_format)
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(plain, tuple(arguments)), buffer)
    return buffer.getvalue()


def imported(torch: Any, payload: bytes) -> Any:
    """Returns the module that `exported` wrote."""
    return torch.export.load(io.BytesIO(payload)).module()


def described(inputs: Sequence[InputSpec], arguments: Sequence[Any]) -> list[list[Any]]:
    """Returns names, shapes and element types of the inputs, ready for JSON.

    Args:
        inputs: What the engine takes.
        arguments: Tensors, whose sizes stand where the engine leaves them open.
    """
    return [
        [spec.name, list(tensor.shape), spec.dtype.name]
        for spec, tensor in zip(inputs, arguments, strict=True)
    ]


def specs(options: Any) -> tuple[InputSpec, ...]:
    """Returns the inputs that `described` wrote down in the options of a key."""
    return tuple(
        InputSpec(name, tuple(shape), np.dtype(dtype)) for name, shape, dtype in options["inputs"]
    )
