"""Calls of a program that was traced in training mode, as they are in evaluation mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Arguments by which a program that was traced in training mode differs from evaluation.
_TRAINING: Mapping[str, Any] = {"train": False, "training": False, "dropout_p": 0.0}


def arguments(target: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
    """The arguments of a call by the names in the operator's schema; None without a schema."""
    schema = getattr(target, "_schema", None)
    if schema is None:
        return None
    names = [argument.name for argument in schema.arguments]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def evaluated(target: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments of a call traced in training mode as they are in evaluation."""
    named = arguments(target, args, kwargs)
    if named is None:
        return args, kwargs
    changed = {name: value for name, value in _TRAINING.items() if name in named}
    if "use_input_stats" in named:
        changed["use_input_stats"] = named.get("running_mean") is None
    if named.get("running_mean", True) is None:
        changed.pop("training", None)  # nothing but the batch's own statistics is there
    return ((), named | changed) if changed else (args, kwargs)


def differentiable(target: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments of a call for which gradients are wanted.

    cuDNN's recurrent layers keep what their gradients need in training mode only; without dropout
    they compute the same in both.
    """
    named = arguments(target, args, kwargs)
    if named is None or not {"has_biases", "dropout", "train"} <= named.keys():
        return args, kwargs
    quiet = {} if named["train"] else {"train": True, "dropout": 0.0}
    return (), named | quiet
