"""A pruned module as one file: its plan and its weights."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphprune.errors import BadData
from graphprune.passes.narrow import replacing
from graphprune.plan import Plan

FORMAT = "graphprune.module/1"


def write(path: Path, plan: Plan, module: Any, more: Mapping[str, Any] | None = None) -> None:
    """Write a file that holds the plan and the weights of a narrowed module.

    Args:
        path: The file; it appears when it is complete.
        plan: What was kept.
        module: The narrowed nn.Module.
        more: Further entries of the file, which loading the module passes over.

    Raises:
        GraphpruneError: The folder cannot be written.
    """
    import torch  # only modules come here

    buffer = io.BytesIO()
    document = {"format": FORMAT, "plan": plan.to_json(), "state_dict": module.state_dict()}
    torch.save({**(more or {}), **document}, buffer)
    with replacing(path) as file:
        file.write(buffer.getbuffer())


def read(path: Path) -> tuple[Plan, dict[str, Any]]:
    """The plan and the weights in a file.

    Args:
        path: What :func:`write` wrote. No code in it is run.

    Raises:
        BadData: There is no such file, or it is another kind of file.
    """
    found = document(path)
    return Plan.from_json(found["plan"]), found["state_dict"]


def document(path: Path) -> dict[str, Any]:
    """Everything in a file, as :func:`write` put it there.

    Raises:
        BadData: There is no such file, or it is another kind of file.
    """
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadData("no such file", where=str(path)) from error
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise _no_checkpoint(path, f"{error}".partition("\n")[0]) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise _no_checkpoint(path, f"it does not say format '{FORMAT}'")
    return found


def _no_checkpoint(path: Path, why: str) -> BadData:
    return BadData(
        "this is no file of a pruned module",
        where=str(path),
        why=why,
        fix="write one with result.save(path), or load a plain state dict with torch.load",
    )
