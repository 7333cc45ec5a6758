"""The process an isolated engine lives in: it answers calls until its input ends.

This file is run by path under any interpreter, so it needs the standard library alone. What the
calls mean is the affair of a *servant*: an object with one method a call, which takes the call's
header and blobs and returns those of the reply.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import struct
import sys
import traceback
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    Header = dict[str, Any]
    Blob = bytes | memoryview
    Message = tuple[Header, Sequence[Blob]]
else:
    # Python 3.8, which some engines still need, cannot spell these types.
    Header = Blob = Message = object

PACKAGE = "graphprune"

_LENGTH = struct.Struct(">Q")


def send(stream: IO[bytes], header: Header, blobs: Sequence[Blob] = ()) -> None:
    """Writes one message: its length, a JSON object, and raw bytes.

    Args:
        stream: A pipe.
        header: What JSON can hold.
        blobs: Raw bytes; views must be flat.

    Raises:
        OSError: The other side is gone.
    """
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Header, list[bytes]]:
    """Reads one message.

    Raises:
        EOFError: The other side is gone.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    header: Header = json.loads(_exactly(stream, length))
    return header, [_exactly(stream, size) for size in header.pop("blobs")]


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found


def serve(servant: Any, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answers calls until there are no more.

    Args:
        servant: What answers them.
        requests: Calls come from here; `call` in the header names the servant's method.
        replies: Replies go here; of a failed call, `error` names the exception's class.
    """
    while True:
        try:
            header, blobs = receive(requests)
        except EOFError:
            return
        try:
            reply, results = getattr(servant, header.pop("call"))(header, blobs)
        except Exception as error:
            # The caller decides what it makes of it; the log has all of it.
            traceback.print_exc()
            reply, results = _described(error), ()
        send(replies, reply, results)


def _described(error: Exception) -> Header:
    parts = {name: getattr(error, name, None) for name in ("what", "where", "why", "fix")}
    parts["what"] = parts["what"] or f"{type(error).__name__}: {error}"
    return {"error": type(error).__name__, **parts}


def _servant(name: str, root: str) -> Any:
    """Makes the servant.

    Args:
        name: `module:class`.
        root: The folder that holds `graphprune`, or the module; or, where the folder is itself a
            package, that package, under whatever name the module's own begins with. The first and
            the last are not put on the search path: packages of another interpreter, or modules
            named like those of the standard library, may lie beside them.
    """
    module, _, kind = name.partition(":")
    package = module.partition(".")[0]
    if package == PACKAGE and importlib.util.find_spec(PACKAGE) is None:
        _adopt(PACKAGE, os.path.join(root, PACKAGE))
    elif os.path.exists(os.path.join(root, "__init__.py")):
        _adopt(package, root)
    elif package != PACKAGE:
        sys.path.insert(0, root)
    return getattr(importlib.import_module(module), kind)()


def _adopt(package: str, folder: str) -> None:
    """Imports a package from a folder that the search path does not lead to."""
    spec = importlib.util.spec_from_file_location(
        package, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no {package} in {folder}")
    sys.modules[package] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])


def main() -> None:
    """Runs the servant that the arguments name: `module:class`, and the folder of graphprune."""
    name, root = sys.argv[1:3]
    # The script's own folder: its modules are named like the libraries they drive.
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != own]
    # Libraries print to standard output; that goes to the log, not between the replies.
    replies, requests = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    serve(_servant(name, root), requests, replies)


if __name__ == "__main__":
    main()
