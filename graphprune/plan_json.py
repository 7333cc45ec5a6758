"""The file format of plans: layout of the text, and reading with messages that name the place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from graphprune.budget import Budget
from graphprune.copies import FRESH
from graphprune.errors import BadData, PlanMismatch
from graphprune.groups import Ids

FORMAT = "graphprune.plan/1"

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Source:
    """The model a plan was made for.

    Attributes:
        kind: ``onnx`` or ``torch``.
        sha256: Hash of its contents, hexadecimal.
        name: What the user calls it: a file name, a class.
    """

    kind: str
    sha256: str
    name: str


@dataclass(frozen=True)
class PlannedGroup:
    """The width of one group before and after.

    Attributes:
        name: The group's name.
        width: Units in a row of the whole model.
        kept: Units in a row of the narrowed model; more than the width where it is rebuilt wider.
        rows: Rows, each of which keeps that many.
        approximate: Why narrowing it is not exact; empty for exact groups.
    """

    name: str
    width: int
    kept: int
    rows: int = 1
    approximate: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = f" in each of {self.rows} rows" if self.rows > 1 else ""
        return f"{self.name} {self.width} -> {self.kept}{rows}"


@dataclass(frozen=True)
class PlannedParameter:
    """A parameter of the whole model, and the PyTorch parameter it stands for.

    Attributes:
        name: Its name in the model the plan was made for.
        torch: What the PyTorch parameter may be called.
        transposed: Whether a matrix has its two axes swapped.
        guessed: Whether the name and what became of the parameter were guessed by its use.
        shape: Its shape in the model the plan was made for.
        roles: For every axis: ``out`` where it produces channels of a group, ``in`` where it
            contracts them, ``scale`` in between; empty for axes that no group has.
    """

    name: str
    torch: tuple[str, ...]
    transposed: bool
    guessed: bool
    shape: tuple[int, ...]
    roles: tuple[str, ...]


def lay_out(value: object, indent: str = "") -> str:
    """JSON in which objects spread over lines and everything in a list stays on one.

    Args:
        value: Dicts, lists and scalars.
        indent: Spaces in front of the closing bracket.
    """
    if isinstance(value, dict) and value:
        inner = indent + "  "
        lines = [f"{inner}{json.dumps(key)}: {lay_out(value[key], inner)}" for key in value]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = indent + "  "
        return "[\n" + ",\n".join(inner + json.dumps(item) for item in value) + f"\n{indent}]"
    return json.dumps(value)


def read(text: str) -> Reader:
    """Opens the text of a plan.

    Raises:
        BadData: It is not JSON, or not a plan.
        PlanMismatch: It is a plan of another format version.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData("this is not a plan", why=f"it is not JSON: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    family = FORMAT.partition("/")[0]
    if not isinstance(found, str) or found.partition("/")[0] != family:
        raise BadData(
            "this is not a plan", why=f"its 'format' is {json.dumps(found)}, not '{FORMAT}'"
        )
    if found != FORMAT:
        raise PlanMismatch(
            f"the plan has format '{found}', this version reads '{FORMAT}'",
            fix="read it with the version of graphprune that wrote it, or make a new plan",
        )
    return Reader(document)


class Reader:
    """Reads the fields of a plan one by one, and names the place where one is wrong."""

    def __init__(self, document: dict[str, object]) -> None:
        """Keeps the document.

        Args:
            document: The plan as JSON's own types.
        """
        self._document = document

    def source(self) -> Source:
        """The model the plan was made for."""
        fields = _object(self._field("source"), "source")
        parts = (_string(fields.get(key), f"source.{key}") for key in ("kind", "sha256", "name"))
        return Source(*parts)

    def method(self) -> dict[str, Scalar]:
        """How the units were chosen."""
        method: dict[str, Scalar] = {}
        for key, value in _object(self._field("method"), "method").items():
            if value is not None and not isinstance(value, str | int | float):
                _refuse(f"method.{key}", "a text, a number or null", value)
            method[key] = value
        return method

    def budget(self) -> Budget:
        """What was asked for."""
        bounds: dict[str, str | float | None] = {}
        for key, value in _object(self._field("budget"), "budget").items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                _refuse(f"budget.{key}", "a number", value)
            bounds[key] = value
        return Budget.parse(bounds)

    def seed(self) -> int:
        """Seed of whatever was drawn at random."""
        return _count(self._field("seed"), "seed")

    def versions(self) -> dict[str, str]:
        """Versions of the programs that made the plan."""
        fields = _object(self._field("versions"), "versions")
        return {key: _string(value, f"versions.{key}") for key, value in fields.items()}

    def groups(self) -> tuple[PlannedGroup, ...]:
        """Widths before and after."""
        entries = _list(self._field("groups"), "groups")
        return tuple(_group(entry, f"groups[{i}]") for i, entry in enumerate(entries))

    def kept(self) -> dict[str, dict[str, Ids]]:
        """The kept indices by parameter and axis."""
        return {
            name: {
                key: _index(index, key, f"kept.{name}.{key}")
                for key, index in _object(axes, f"kept.{name}").items()
            }
            for name, axes in _object(self._field("kept"), "kept").items()
        }

    def factors(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """The factors of kept indices by parameter and axis; none in plans without the field."""
        return {
            name: {
                key: _numbers(line, f"factors.{name}.{key}")
                for key, line in _object(axes, f"factors.{name}").items()
            }
            for name, axes in _object(self._document.get("factors", {}), "factors").items()
        }

    def parameters(self) -> tuple[PlannedParameter, ...]:
        """The parameters and their names in PyTorch; none in plans without the field."""
        entries = _list(self._document.get("parameters", []), "parameters")
        return tuple(_parameter(entry, f"parameters[{i}]") for i, entry in enumerate(entries))

    def _field(self, name: str) -> object:
        if name not in self._document:
            raise BadData("the plan is damaged", where=name, why="the field is missing")
        return self._document[name]


def _refuse(where: str, expected: str, value: object) -> NoReturn:
    text = json.dumps(value)
    shown = text if len(text) <= 40 else text[:37] + "..."
    raise BadData("the plan is damaged", where=where, why=f"expected {expected}, found {shown}")


def _object(value: object, where: str) -> dict[str, object]:
    return value if isinstance(value, dict) else _refuse(where, "an object", value)


def _list(value: object, where: str) -> list[object]:
    return value if isinstance(value, list) else _refuse(where, "a list", value)


def _string(value: object, where: str) -> str:
    return value if isinstance(value, str) else _refuse(where, "a text", value)


def _truth(value: object, where: str) -> bool:
    return value if isinstance(value, bool) else _refuse(where, "true or false", value)


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        _refuse(where, "a whole number from 0", value)
    return value


def _group(value: object, where: str) -> PlannedGroup:
    fields = _object(value, where)
    reasons = _list(fields.get("approximate"), f"{where}.approximate")
    width, kept, rows = (_count(fields.get(k), f"{where}.{k}") for k in ("width", "kept", "rows"))
    if kept < 1:
        _refuse(f"{where}.kept", "a number from 1", kept)
    return PlannedGroup(
        _string(fields.get("name"), f"{where}.name"),
        width,
        kept,
        rows,
        tuple(_string(reason, f"{where}.approximate") for reason in reasons),
    )


def _parameter(value: object, where: str) -> PlannedParameter:
    fields = _object(value, where)
    transposed, guessed = (_truth(fields.get(k), f"{where}.{k}") for k in ("transposed", "guessed"))
    names, shape, roles = (
        _list(fields.get(key), f"{where}.{key}") for key in ("torch", "shape", "roles")
    )
    if len(roles) != len(shape) or (transposed and len(shape) != 2):
        _refuse(f"{where}.roles", "one role for each axis, two if transposed", roles)
    return PlannedParameter(
        _string(fields.get("name"), f"{where}.name"),
        tuple(_string(name, f"{where}.torch") for name in names),
        transposed,
        guessed,
        tuple(_count(extent, f"{where}.shape") for extent in shape),
        tuple(_string(role, f"{where}.roles") for role in roles),
    )


def _numbers(value: object, where: str) -> NDArray[np.float64]:
    """Numbers, none of them infinite."""
    for number in _list(value, where):
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not (is_number and isfinite(number)):  # type: ignore[arg-type]
            _refuse(where, "finite numbers", number)
    return np.array(value, dtype=np.float64)


def _index(value: object, key: str, where: str) -> Ids:
    """Kept indices in strictly ascending order, with -1 for those that are new."""
    axes = key.split(",")
    if not all(axis.isdecimal() for axis in axes):
        raise BadData("the plan is damaged", where=where, why=f"'{key}' does not name axes")
    entries = _list(value, where)
    old = [entry for entry in entries if axes[1:] or entry != FRESH]
    lines = [
        tuple(_count(number, where) for number in (_list(entry, where) if axes[1:] else [entry]))
        for entry in old
    ]
    if any(len(line) != len(axes) for line in lines):
        _refuse(where, f"{len(axes)} indices each", value)
    if any(one >= other for one, other in pairwise(lines)):
        _refuse(where, "ascending indices", value)
    if len(old) < len(entries):
        return np.array(entries, dtype=np.int64)
    index = np.array(lines, dtype=np.int64).reshape(-1, len(axes))
    return index if axes[1:] else index[:, 0]
