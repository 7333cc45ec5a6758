"""Built engines as files: what they were built from and for, a checksum, and the engine's bytes.

An engine's bytes are handed to libraries that trust them: one of another model gives wrong
results without a word, one of another version or a damaged one may crash the process. So every
file begins with its :class:`Key` and a checksum, appears under its name only when it is whole,
and is refused, with the reason, where it does not fit.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx.external_data_helper import uses_external_data

from graphprune.backends import onnx_source
from graphprune.backends.base import Model
from graphprune.errors import BackendError

_MAGIC = b"graphprune.engine/1\n"
_LENGTH = struct.Struct(">Q")
_CHUNK = 1 << 22
_DIGITS = 32

_WORDS = {
    "model": "it was built from another model",
    "backend": "it is an engine of {theirs}, not of {ours}",
    "version": "it was built by version {theirs}, this is {ours}",
    "device": "it was built for {theirs}, this is {ours}",
}


@dataclass(frozen=True)
class Key:
    """All that an engine depends on: an engine of another key is stale.

    Attributes:
        model: Digest of the model and its external data; see `fingerprint`.
        backend: Name of the backend.
        version: Version of the engine's library.
        device: What it runs on, as exactly as the engine depends on it.
        options: Everything else it was built with, such as precision and shapes: what JSON holds.
    """

    model: str
    backend: str
    version: str
    device: str
    options: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """A name for a file."""
        return hashlib.sha256(_json(self).encode()).hexdigest()[:_DIGITS]

    def against(self, ours: Key) -> list[str]:
        """Says in what an engine of this key differs from one that is wanted.

        Args:
            ours: The key of the engine that is wanted.

        Returns:
            One clause a difference; none where the keys are equal.
        """
        found = [
            words.format(theirs=getattr(self, name), ours=getattr(ours, name))
            for name, words in _WORDS.items()
            if getattr(self, name) != getattr(ours, name)
        ]
        theirs, wanted = (json.loads(_json(key))["options"] for key in (self, ours))
        return found + [
            f"its {name} is {theirs.get(name)}, wanted is {wanted.get(name)}"
            for name in sorted({*theirs, *wanted})
            if theirs.get(name) != wanted.get(name)
        ]


def fingerprint(model: Model) -> str:
    """Returns a digest of a model's bytes, those of its external data included.

    Args:
        model: A path, serialised bytes, or a ModelProto.

    Raises:
        BackendError: It cannot be read, or is too large to be serialised.
    """
    digest = hashlib.sha256()
    try:
        for chunk in _chunks(model):
            digest.update(chunk)
    except (OSError, DecodeError, EncodeError, ValueError) as error:
        raise BackendError(
            "the model cannot be read", where=onnx_source.place(model), why=str(error)
        ) from error
    return digest.hexdigest()


def write(path: Path, key: Key, payload: bytes) -> None:
    """Writes an engine; the file appears only when it is whole.

    Args:
        path: The file.
        key: What it was built from and for.
        payload: What the engine's library reads.

    Raises:
        BackendError: The file cannot be written.
    """
    head = json.dumps({"key": asdict(key), "sha256": hashlib.sha256(payload).hexdigest()}).encode()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + _LENGTH.pack(len(head)) + head)
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BackendError(
            "the engine cannot be saved", where=str(path), why=error.strerror or str(error)
        ) from error


def read(path: Path) -> tuple[Key, bytes]:
    """Reads an engine, and compares its checksum.

    Args:
        path: A file that `write` wrote.

    Raises:
        BackendError: It cannot be read, is no such file, or is damaged.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    if not whole.startswith(_MAGIC):
        raise _refused(path, "it is no engine that graphprune saved in this format")
    begin = len(_MAGIC) + _LENGTH.size
    try:
        (length,) = _LENGTH.unpack(whole[len(_MAGIC) : begin])
        head = json.loads(whole[begin : begin + length])
        key = Key(**head["key"])
        checksum = head["sha256"]
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise _refused(path, "it is damaged: its head cannot be read") from error
    payload = whole[begin + length :]
    if hashlib.sha256(payload).hexdigest() != checksum:
        raise _refused(path, "it is damaged: its checksum is another")
    return key, payload


def read_for(path: Path, wanted: Key) -> bytes:
    """Reads an engine that must have a certain key.

    Args:
        path: A file that `write` wrote.
        wanted: The key.

    Raises:
        BackendError: It cannot be read, is damaged, or is stale.
    """
    key, payload = read(path)
    check(path, key, wanted)
    return payload


def check(path: Path, found: Key, wanted: Key) -> None:
    """Refuses an engine of another key.

    Args:
        path: Where it lies.
        found: Its key.
        wanted: The key it must have.

    Raises:
        BackendError: They differ; the message says in what.
    """
    differences = found.against(wanted)
    if differences:
        raise _refused(path, "; ".join(differences))


def find(folder: Path, key: Key) -> bytes | None:
    """Returns the bytes of a cached engine, or None where there is none to be used.

    One that is damaged is removed with a warning, so that it is built anew.

    Args:
        folder: The cache.
        key: What it must have been built from and for.
    """
    path = folder / f"{key.digest}.engine"
    if not path.exists():
        return None
    try:
        return read_for(path, key)
    except BackendError as error:
        warnings.warn(f"a cached engine is built anew: {error.why}", RuntimeWarning, stacklevel=2)
        path.unlink(missing_ok=True)
        return None


def keep(folder: Path, key: Key, payload: bytes) -> None:
    """Puts an engine into a cache.

    Args:
        folder: The cache; made where it does not exist.
        key: What it was built from and for.
        payload: Its bytes.

    Raises:
        BackendError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(
            "the cache cannot be made", where=str(folder), why=error.strerror or str(error)
        ) from error
    write(folder / f"{key.digest}.engine", key, payload)


def _refused(path: Path, why: str) -> BackendError:
    return BackendError(
        "the saved engine cannot be used", where=str(path), why=why, fix="build it anew"
    )


def _json(key: Key) -> str:
    return json.dumps(asdict(key), sort_keys=True)


def _chunks(model: Model) -> Iterator[bytes]:
    """The bytes of a model, a part at a time."""
    if isinstance(model, bytes):
        yield model
        return
    if isinstance(model, onnx.ModelProto):
        yield model.SerializeToString(deterministic=True)
        return
    path = Path(model)
    yield from _file(path)
    tensors = onnx_source.structure(model).graph.initializer
    external = (tensor for tensor in tensors if uses_external_data(tensor))
    entries = (entry for tensor in external for entry in tensor.external_data)
    for name in sorted({entry.value for entry in entries if entry.key == "location"}):
        yield from _file(path.parent / name)


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
