"""How long the layers of one group take at several widths: a table that is kept in a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphprune.backends.base import Conditions
from graphprune.errors import BadData
from graphprune.measure.machine import Machine, Readings
from graphprune.measure.ratio import estimate

FORMAT = "graphprune.latency/1"

_CONFIDENCE, _RESAMPLES = 0.95, 2000
_FEWEST = 3
"""Rounds below which there is no interval."""


@dataclass(frozen=True)
class Subject:
    """What a table is about: times of another subject cannot be put into it.

    Attributes:
        model: SHA-256 of the model.
        group: Name of the group.
        width: Its full width.
        members: The parameter axes it narrows, such as ``conv1.weight.0``.
        whole: Whether the whole model is timed, or the operations that have its channels.
        inputs: Shapes of what is fed, by name.
        conditions: Engine, version, device, precision and threads.
        machine: Name of the processor, or of the GPU.
    """

    model: str
    group: str
    width: int
    members: tuple[str, ...]
    whole: bool
    inputs: Mapping[str, tuple[int, ...]]
    conditions: Conditions
    machine: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Point:
    """One width.

    Attributes:
        width: Channels in each row of the group.
        seconds: How long a call takes: the winsorised geometric mean of the means of blocks.
        low: Lower end of its 95 % interval.
        high: Upper end of it.
        ratio: Time at this width over time at full width, of blocks of the same round.
        ratio_low: Lower end of its 95 % interval.
        ratio_high: Upper end of it.
        rounds: How many blocks were timed.
    """

    width: int
    seconds: float
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int


@dataclass(frozen=True)
class LatencyTable:
    """What was measured.

    Attributes:
        subject: What it is about.
        machine: What it was measured on.
        rounds: For every round, the mean seconds of a call by width; the full width is in each.
        readings: Clocks, temperatures and load around every session in which rounds were timed.
    """

    subject: Subject
    machine: Machine
    rounds: tuple[Mapping[int, float], ...] = ()
    readings: tuple[Readings, ...] = ()

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that were measured, ascending."""
        return tuple(sorted({width for one in self.rounds for width in one}))

    def count(self, width: int) -> int:
        """In how many rounds a width was timed.

        Args:
            width: Any width.
        """
        return sum(width in one for one in self.rounds)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """What the rounds say about every width that was timed in three of them at least."""
        enough = (width for width in self.widths if self.count(width) >= _FEWEST)
        return tuple(map(self._point, enough))

    def point(self, width: int) -> Point:
        """What the rounds say about one width.

        Args:
            width: One of `widths`.

        Raises:
            KeyError: It was not measured often enough.
        """
        for point in self.points:
            if point.width == width:
                return point
        raise KeyError(width)

    def with_round(self, seconds: Mapping[int, float]) -> LatencyTable:
        """The table with one more round.

        Args:
            seconds: The mean of a block, by width.
        """
        return replace(self, rounds=(*self.rounds, dict(seconds)))

    def with_readings(self, readings: Readings) -> LatencyTable:
        """The table with what was read around one more session.

        Args:
            readings: Before its first round, and after its last.
        """
        return replace(self, readings=(*self.readings, readings))

    def to_json(self) -> str:
        """The table as JSON: what it is about, its points, and every round."""
        document = {
            "format": FORMAT,
            "subject": self.subject.to_dict(),
            "machine": self.machine.to_dict(),
            "points": [asdict(point) for point in self.points],
            "rounds": [{str(width): time for width, time in one.items()} for one in self.rounds],
            "readings": [one.to_dict() for one in self.readings],
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LatencyTable:
        """Reads a table; its points are computed from its rounds.

        Args:
            text: What `to_json` gave.

        Raises:
            BadData: It is no table, or one of another format version.
        """
        try:
            document = json.loads(text)
            form = document.get("format") if isinstance(document, dict) else None
            if form != FORMAT:
                why = f"its format is {form!r}, not {FORMAT!r}"
                raise BadData("the file is no latency table", why=why)
            subject = dict(document["subject"])
            subject["members"] = tuple(subject["members"])
            subject["inputs"] = {k: tuple(v) for k, v in subject["inputs"].items()}
            subject["conditions"] = Conditions(**subject["conditions"])
            machine = {**document["machine"], "gpus": tuple(document["machine"]["gpus"])}
            rounds = tuple(
                {int(width): _duration(time) for width, time in one.items()}
                for one in document["rounds"]
            )
            readings = tuple(map(Readings.from_dict, document["readings"]))
            return cls(Subject(**subject), Machine(**machine), rounds, readings)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadData("the file is no latency table", why=f"{error!r}") from error

    def _point(self, width: int) -> Point:
        full = self.subject.width
        mine = np.log([one[width] for one in self.rounds if width in one])
        anchor = np.log([one[full] for one in self.rounds if width in one])
        # The same resamples every time, so that a table always gives the same points.
        rng = np.random.default_rng(0)
        center, half = estimate(mine, _CONFIDENCE, _RESAMPLES, rng)
        ratio, margin = estimate(mine - anchor, _CONFIDENCE, _RESAMPLES, rng)
        low, middle, high = (math.exp(center + step) for step in (-half, 0.0, half))
        below, relative, above = (math.exp(ratio + step) for step in (-margin, 0.0, margin))
        return Point(width, middle, low, high, relative, below, above, len(mine))


def _duration(number: Any) -> float:
    """A positive number of seconds.

    Raises:
        ValueError: It is none.
    """
    seconds = float(number)
    if not 0 < seconds < math.inf:
        raise ValueError(f"{number!r} is no duration")
    return seconds
