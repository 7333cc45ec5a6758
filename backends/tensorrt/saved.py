"""Engines as files that other programs load too: TensorRT's own bytes, and a record beside them.

What an engine was built from and for stands in the record, so that one of another TensorRT, GPU or
model is refused with the reason, and not handed to a library that would crash on it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphprune.backends.cache import Key
from graphprune.errors import BackendError
from graphprune.passes.narrow import replacing

FORMAT = "graphprune.tensorrt/1"


def record_of(path: Path) -> Path:
    """Returns where the record of an engine lies.

    Args:
        path: The engine.
    """
    return path.with_name(path.name + ".json")


def write(path: Path, plan: bytes, key: Key, interface: dict[str, Any]) -> None:
    """Writes an engine and its record; each appears when it is whole, the engine last.

    Args:
        path: The engine's file.
        plan: What TensorRT built.
        key: What it was built from and for.
        interface: What a caller must know to run it: what JSON holds.

    Raises:
        GraphpruneError: They cannot be written.
    """
    record = {
        "format": FORMAT,
        "sha256": hashlib.sha256(plan).hexdigest(),
        "key": asdict(key),
        "interface": interface,
    }
    with replacing(record_of(path)) as file:
        file.write(json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")
    with replacing(path) as file:
        file.write(plan)


def read(path: Path) -> tuple[bytes, Key, dict[str, Any]]:
    """Reads an engine whose record says where it is from.

    Args:
        path: The engine's file.

    Returns:
        The engine, what it was built from and for, and its interface.

    Raises:
        BackendError: It cannot be read, has no record, or is damaged.
    """
    try:
        plan = path.read_bytes()
    except OSError as error:
        raise refused(path, error.strerror or str(error)) from error
    try:
        record = json.loads(record_of(path).read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise refused(path, f"its record is of another format, {record['format']}")
        key, checksum, interface = Key(**record["key"]), record["sha256"], record["interface"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"its record {record_of(path).name}, which says what it is, cannot be read: {error}"
        raise refused(path, why) from error
    if hashlib.sha256(plan).hexdigest() != checksum:
        raise refused(path, "it is damaged, or was replaced: its checksum is another")
    return plan, key, interface


def refused(path: Path, why: str) -> BackendError:
    """Returns the error for an engine that is not loaded.

    Args:
        path: The engine's file.
        why: The reason.
    """
    return BackendError(
        "the saved engine cannot be used",
        where=str(path),
        why=why,
        fix="build it anew: graphprune build",
    )
