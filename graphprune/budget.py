"""Budgets: what the narrowed network may cost at most."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from graphprune.cost import METRICS, Cost
from graphprune.errors import BadData

_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)\s*(?:(%)|([kKMGT]?)(i?)B?)")
_POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_FIX = "give a fraction (0.5 or 50%) or an absolute number above 1 (1.2G, 300M, 4k, 64MiB)"


def parse_amount(text: str) -> float:
    """Reads one bound the way it is written on the command line.

    ``0.5`` and ``50%`` are fractions of the whole network; ``300M``, ``1.2G`` and ``4k`` are
    absolute: powers of 1000, or of 1024 with an ``i`` (``64Mi``). A final ``B`` changes nothing.

    Args:
        text: The bound.

    Returns:
        A fraction up to 1, or an absolute number above 1.

    Raises:
        BadData: The text is neither.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or (match[4] and not match[3]):
        raise BadData(f"'{text}' is not a budget", fix=_FIX)
    number = float(match[1])
    if match[2]:
        if number > 100:
            raise BadData(f"'{text}' is not a budget", why="a fraction is at most 100 %", fix=_FIX)
        return _checked("a budget", number / 100)
    if not match[3]:
        return _checked("a budget", number)
    amount = number * (1024 if match[4] else 1000) ** _POWERS[match[3]]
    if amount <= 1:
        raise BadData(f"'{text}' is not a budget", why="it is not above 1", fix=_FIX)
    return _checked("a budget", amount)


def _checked(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise BadData(f"{name} cannot be {value!r}", fix=_FIX)
    return float(value)


@dataclass(frozen=True)
class Bounds:
    """A budget resolved against one network: absolute, inclusive upper bounds.

    Attributes:
        params: Most elements of all parameters, or None.
        macs: Most multiply-accumulates, or None.
        memory: Most bytes of activations, or None.
        channels: Fraction of every group's width that is kept, or None.
    """

    params: int | None = None
    macs: int | None = None
    memory: int | None = None
    channels: float | None = None

    @property
    def limits(self) -> dict[str, int]:
        """The bounds on :data:`graphprune.cost.METRICS` that are set."""
        limits = {name: getattr(self, name) for name in METRICS}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def use(self, cost: Cost) -> float:
        """The share of the tightest bound that a cost uses: above 1 is too much; 0 if unbounded."""
        shares = (getattr(cost, name) / max(limit, 0.5) for name, limit in self.limits.items())
        return max(shares, default=0.0)

    def exceeded(self, cost: Cost) -> tuple[str, ...]:
        """The names of the bounds that a cost exceeds."""
        return tuple(name for name, limit in self.limits.items() if getattr(cost, name) > limit)


@dataclass(frozen=True)
class Budget:
    """Upper bounds on the narrowed network; several hold at once.

    A number up to 1 is a fraction of the whole network's cost, a larger one is absolute.

    Attributes:
        macs: Multiply-accumulates.
        params: Elements of all parameters.
        memory: Bytes of all activations.
        channels: Fraction of every prunable group to keep; never absolute.
    """

    macs: float | None = None
    params: float | None = None
    memory: float | None = None
    channels: float | None = None

    def __post_init__(self) -> None:
        """Refuses bounds that make no sense.

        Raises:
            BadData: A bound is not a positive number, or ``channels`` is above 1.
        """
        for name, value in asdict(self).items():
            if value is not None:
                object.__setattr__(self, name, _checked(f"the budget '{name}'", value))
        if self.channels is not None and self.channels > 1:
            raise BadData(
                f"the budget 'channels' cannot be {self.channels:g}",
                why="it is the fraction kept of every group, so at most 1 (100 %)",
            )

    @classmethod
    def parse(cls, bounds: Mapping[str, str | float | None]) -> Budget:
        """A budget from numbers and texts such as ``50%`` or ``1.2G``.

        Args:
            bounds: Bounds by name; None for an absent one.

        Raises:
            BadData: A name or a bound makes no sense.
        """
        unknown = sorted(set(bounds) - {field.name for field in fields(cls)})
        if unknown:
            raise BadData(
                f"no budget is called '{unknown[0]}'",
                fix=f"give one of: {', '.join(field.name for field in fields(cls))}",
            )
        return cls(
            **{
                name: parse_amount(value) if isinstance(value, str) else value
                for name, value in bounds.items()
            }
        )

    def to_dict(self) -> dict[str, float]:
        """The bounds that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def resolve(self, full: Cost) -> Bounds:
        """The bounds in absolute numbers.

        Args:
            full: The cost of the whole network, of which fractions are taken.
        """
        limits: dict[str, int] = {}
        for name in METRICS:
            bound = getattr(self, name)
            if bound is not None:
                limits[name] = math.floor(bound * getattr(full, name) if bound <= 1 else bound)
        return Bounds(channels=self.channels, **limits)
