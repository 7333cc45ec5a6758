"""Input shapes: as trtexec and Polygraphy spell them, and the ranges an engine is built for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphprune.backends.base import Shapes
from graphprune.data import InputSpec
from graphprune.errors import BackendError, BadData

Shape = tuple[int, ...]

_ONE = re.compile(r"\s*(?P<name>.+):(?P<sizes>\[[\d,\s]*\]|\d+(?:[xX]\d+)*)\s*")
_BETWEEN = re.compile(r",(?![^\[]*\])")


@dataclass(frozen=True)
class Range:
    """The shapes of one input that an engine takes.

    Attributes:
        smallest: The least size of every axis.
        usual: What the engine is tuned for.
        largest: The greatest size of every axis.
    """

    smallest: Shape
    usual: Shape
    largest: Shape

    def __post_init__(self) -> None:
        """Compares the sizes.

        Raises:
            BadData: They are not in order.
        """
        three = (self.smallest, self.usual, self.largest)
        if len(set(map(len, three))) > 1 or any(
            not low <= usual <= high for low, usual, high in zip(*three, strict=False)
        ):
            raise BadData("the smallest, usual and largest shape are not in order", why=str(self))

    def __str__(self) -> str:
        """Returns for example `1x3x224x224 to 8x3x224x224, tuned for 4x3x224x224`."""
        low, usual, high = map(spelled, (self.smallest, self.usual, self.largest))
        return low if low == high else f"{low} to {high}, tuned for {usual}"

    @property
    def fixed(self) -> bool:
        """Whether there is one shape only."""
        return self.smallest == self.largest

    @property
    def three(self) -> list[list[int]]:
        """The shapes, ready for JSON."""
        return [list(self.smallest), list(self.usual), list(self.largest)]

    @classmethod
    def only(cls, shape: Shape) -> Range:
        """Returns the range of one shape."""
        return cls(shape, shape, shape)


def spelled(shape: Shape) -> str:
    """Returns for example `1x3x224x224`."""
    return "x".join(map(str, shape)) or "[]"


def parse(texts: Iterable[str] | None, option: str = "--shapes") -> dict[str, Shape]:
    """Reads shapes by input name.

    Args:
        texts: Such as ``x:1x3x224x224`` or ``x:[1,3,224,224]``, several joined by commas; names
            may be in quotes, and may hold colons.
        option: Where they come from, for messages.

    Raises:
        BadData: One is not of this form, or an input is named twice.
    """
    found: dict[str, Shape] = {}
    for text in (part for whole in texts or () for part in _BETWEEN.split(whole)):
        match = _ONE.fullmatch(text)
        if match is None:
            raise BadData(
                f"'{text}' is not a shape",
                where=option,
                fix=f"give the input's name and its sizes: {option} x:1x3x224x224, "
                f"or {option} x:[1,3,224,224]",
            )
        name = match["name"].strip("'\"")
        if name in found:
            raise BadData(f"input '{name}' is given two shapes", where=option)
        found[name] = tuple(map(int, re.findall(r"\d+", match["sizes"])))
    return found


def ranges(
    smallest: Mapping[str, Shape], usual: Mapping[str, Shape], largest: Mapping[str, Shape]
) -> dict[str, Range]:
    """Puts shapes together; one that is missing is the usual one, or the largest.

    Args:
        smallest: By input.
        usual: By input.
        largest: By input.

    Raises:
        BadData: They are not in order.
    """
    found = {}
    for name in {**smallest, **usual, **largest}:
        middle = usual.get(name, largest.get(name, smallest.get(name, ())))
        found[name] = Range(smallest.get(name, middle), middle, largest.get(name, middle))
    return found


def resolve(
    specs: tuple[InputSpec, ...], shapes: Shapes, wanted: Mapping[str, Range]
) -> dict[str, Range]:
    """Returns the range of every input.

    Args:
        specs: The model's inputs.
        shapes: The shapes it will run on, by input: the only ones where there is no range.
        wanted: Ranges by input.

    Raises:
        BackendError: A shape does not fit the model or its range, or none is known.
    """
    unknown = sorted({*shapes, *wanted} - {spec.name for spec in specs})
    if unknown:
        known = ", ".join(spec.name for spec in specs)
        raise BackendError(
            f"the model has no input named {unknown[0]!r}", why=f"its inputs: {known}"
        )
    found = {}
    for spec in specs:
        own = spec.concrete() if all(isinstance(dim, int) for dim in spec.shape) else None
        shape = shapes.get(spec.name, own)
        if spec.name not in wanted and shape is None:
            raise BackendError(
                f"the shape of input '{spec.name}' is open, and TensorRT builds for known shapes",
                why=f"the model says {spec}",
                fix=f"give it, such as --shapes {spec.name}:{spelled(spec.concrete())}, or a range "
                "with --minShapes, --optShapes and --maxShapes",
            )
        found[spec.name] = wanted.get(spec.name) or Range.only(shape or ())
        _check(spec, found[spec.name], shape)
    return found


def _check(spec: InputSpec, range_: Range, shape: Shape | None) -> None:
    """Refuses a range that the model does not take, or that leaves out the shape it runs on.

    Raises:
        BackendError: It does.
    """
    dims = spec.shape
    fits = len(dims) == len(range_.usual) and all(
        low == high == dim
        for low, high, dim in zip(range_.smallest, range_.largest, dims, strict=True)
        if isinstance(dim, int)
    )
    if not fits:
        raise BackendError(
            f"the shape given for input {spec.name!r} does not fit", why=f"{spec}; given {range_}"
        )
    if shape is not None and not within(shape, range_):
        raise BackendError(
            f"input {spec.name!r} is to run on {spelled(shape)}, for which it is not built",
            why=f"it is built for {range_}",
        )


def within(shape: Shape, range_: Range) -> bool:
    """Returns whether an engine of this range takes the shape."""
    return len(shape) == len(range_.usual) and all(
        low <= size <= high
        for low, size, high in zip(range_.smallest, shape, range_.largest, strict=True)
    )
