"""What was measured, line by line, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Line = dict[str, Any]
_LIBRARIES = ("torch", "numpy", "scipy")


class Record:
    """A file with one JSON object a line; lines of equal keys replace each other.

    Args:
        path: The file; it need not exist.
        keys: What tells lines apart.
    """

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self.path, self.keys = path, tuple(keys)
        self._lines: dict[tuple[Any, ...], Line] = {}
        if path.exists():
            for text in path.read_text(encoding="utf-8").splitlines():
                line = json.loads(text)
                self._lines[self._key(line)] = line

    @property
    def lines(self) -> list[Line]:
        """All of them, in the order in which they were first measured."""
        return list(self._lines.values())

    def __contains__(self, line: Mapping[str, Any]) -> bool:
        return self._key(line) in self._lines

    def add(self, line: Line) -> None:
        """Keeps a line and writes it at once."""
        self._lines[self._key(line)] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def tidy(self) -> None:
        """Rewrites the file without lines that were replaced."""
        text = "".join(json.dumps(line) + "\n" for line in self._lines.values())
        self.path.write_text(text, encoding="utf-8")

    def _key(self, line: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(line[key] for key in self.keys)


def versions() -> str:
    """What computed the numbers."""
    found = [f"Python {platform.python_version()}"]
    installed = [name for name in _LIBRARIES if find_spec(name)]
    return ", ".join(
        [*found, *(f"{name} {metadata.version(name)}" for name in installed), _device()]
    )


def _device() -> str:
    if not find_spec("torch"):
        return "CPU"
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "CPU"


def write_csv(path: Path, lines: Sequence[Line]) -> None:
    """All lines as a table; columns in the order in which they turn up."""
    columns = list(dict.fromkeys(key for line in lines for key in line))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """A mean, with the standard deviation where there are several values."""
    if not values:
        return "–"
    if len(values) == 1:
        return format(values[0], form)
    return f"{mean(values):{form}} ± {stdev(values):{form}}"
