"""Which names each TensorRT has; `surface.txt` was read from the bindings of seven versions.

A line there is a span of versions and the names present throughout it: of enumerations the
members, in order of their values, of classes the methods and properties.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import driver

_LINE = re.compile(r"(\S+) (?:to (\S+)|on):")


def version_of(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _spans() -> Iterator[tuple[str, str, str, list[str]]]:
    text = Path(__file__).with_name("surface.txt").read_text(encoding="utf-8")
    kind = ""
    for line in re.sub(r"\n {4}", " ", text).splitlines():
        if not line.startswith(" "):
            kind = line
            continue
        head, _, names = line.strip().partition(": ")
        match = _LINE.fullmatch(head + ":")
        assert match is not None, line
        yield kind, match[1], match[2] or "99.0", names.split()


def surface(version: str) -> dict[str, list[str]]:
    """The names of every class that one version has."""
    found: dict[str, list[str]] = {}
    for kind, first, last, names in _spans():
        if version_of(first) <= version_of(version) <= version_of(last):
            found.setdefault(kind, []).extend(names)
    return found


class Member(int):
    """A member of an enumeration, spelled as the bindings spell it."""

    kind: str
    name: str

    def __new__(cls, value: int, kind: str, name: str) -> Member:
        made = super().__new__(cls, value)
        made.kind, made.name = kind, name
        return made

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


def enumeration(kind: str, names: list[str]) -> Any:
    members = {name: Member(value, kind, name) for value, name in enumerate(names)}
    return type(kind, (), members)


def strict(kind: str, names: list[str], version: str) -> Any:
    """A base class whose objects have the names of one version, and refuse all others."""
    known = set(names)

    def refuse(name: str) -> None:
        if not name.startswith("_") and name not in known:
            raise AttributeError(f"TensorRT {version} has no {kind}.{name}")

    class Strict:
        def __getattribute__(self, name: str) -> Any:
            refuse(name)
            return object.__getattribute__(self, name)

        def __setattr__(self, name: str, value: Any) -> None:
            refuse(name)
            object.__setattr__(self, name, value)

    return Strict


_ENUMERATIONS = [
    "NetworkDefinitionCreationFlag",
    "BuilderFlag",
    "MemoryPoolType",
    "ProfilingVerbosity",
    "TacticSource",
    "PreviewFeature",
    "DataType",
    "TensorIOMode",
    "TensorLocation",
    "LayerInformationFormat",
]


@dataclass(frozen=True)
class World:
    """What the fake's classes are made in: a version, its names, a fault, a driver."""

    text: str
    names: dict[str, list[str]]
    fault: str
    driver: Any
    enumerations: dict[str, Any]

    @property
    def version(self) -> tuple[int, int]:
        return version_of(self.text)

    def base(self, kind: str) -> Any:
        return strict(kind, self.names.get(kind, []), self.text)

    def enum(self, kind: str, name: str) -> Any:
        return getattr(self.enumerations[kind], name)

    @property
    def identity(self) -> str:
        """What an engine is tied to."""
        return f"{self.text} on {self.driver.device}"


def _world() -> World:
    text, fault = os.environ["FAKE_TENSORRT"], os.environ.get("FAKE_FAULT", "")
    names = surface(text)
    enumerations = {kind: enumeration(kind, names[kind]) for kind in _ENUMERATIONS}
    return World(text, names, fault, driver.install(fault), enumerations)


WORLD = _world()


def says(logger: Any, severity: str, text: str) -> None:
    logger.log(Member(0, "Severity", severity), text)
