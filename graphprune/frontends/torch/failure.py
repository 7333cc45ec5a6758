"""What torch.export cannot trace, in the user's terms."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from graphprune.errors import UnsupportedModel

_OWN = Path(__file__).parent
_FOREIGN = (Path(torch.__file__).parent, Path(sysconfig.get_path("stdlib")))
_RUN_IT = "call the module with these example inputs first: it has to run"
_REWRITE_IT = (
    "make control flow and shapes independent of what tensors hold, keep that part out of the "
    "module, or give an ExportedProgram"
)
_CONTENTS = "what a tensor holds decides control flow or a shape"
_CONTAINERS = "tensors, numbers, strings, and tuples, lists or dictionaries of them"
# What PyTorch says, what that means where its own words do not tell, and what to do about it.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    ("data-dependent", _CONTENTS, _REWRITE_IT),
    ("dynamic shape operator", _CONTENTS, _REWRITE_IT),
    (
        ".numpy() is not supported", "NumPy computes with a tensor",
        "compute with PyTorch instead, keep that part out of the module, or give an "
        "ExportedProgram",
    ),
    ("Unsupported input type", "", f"call the module with {_CONTAINERS}"),
    ("in output, which is not a known type", "", f"return {_CONTAINERS}"),
    ("ScriptModule", "", "give the module it was scripted from, or an ExportedProgram"),
)  # fmt: skip


def untraceable(module: Any, error: BaseException) -> UnsupportedModel:
    """The error for a module that torch.export refuses.

    Args:
        module: What was to be traced.
        error: What was raised.
    """
    kind, text = type(error).__name__, str(error)
    own = not type(error).__module__.startswith("torch")
    meaning, fix = next(
        ((why, fix) for said, why, fix in _KNOWN if said in text),
        ("", _RUN_IT if own else _REWRITE_IT),
    )
    return UnsupportedModel(
        f"torch.export cannot trace '{type(module).__name__}'",
        where=_source_line(error),
        why=f"{meaning} ({kind})" if meaning else f"{kind}: {_summary(text)}",
        fix=fix,
    )


def _summary(text: str) -> str:
    """The first sentence of a message that says something."""
    lines = [line.partition(". ")[0].strip() for line in text.splitlines()]
    return next((line for line in lines if line), "no reason given")


def _source_line(error: BaseException) -> str | None:
    """The innermost line of the user's own code on the way to an error, or None."""
    found = None
    for frame in _frames(error):
        path = Path(frame.filename)
        if not any(folder in path.parents for folder in _FOREIGN) and path.is_file():
            found = frame
    if found is None:
        return None
    return f"{found.filename}:{found.lineno} in {found.name}: {found.line}"


def _frames(error: BaseException) -> Iterator[traceback.FrameSummary]:
    """The frames from tracing inwards."""
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [i for i, frame in enumerate(frames) if Path(frame.filename).parent == _OWN]
    yield from frames[own[-1] + 1 if own else 0 :]
