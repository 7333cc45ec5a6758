"""Small coupled modules in float64, and by hand what belongs to the units of their groups."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from graphprune.evidence import Evidence
from graphprune.frontends.torch import Observed, trace
from graphprune.groups import Coupling
from graphprune.passes.couple import couple
from graphprune.passes.score import score
from graphprune.scores import Scores

# A parameter, one of its axes, and where on it the first unit lies.
Piece = tuple[str, int, int]


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions whose results are added, and one in between."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.na = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)
        self.b, self.c = nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 6, 1)
        self.act, self.fc = nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        x = self.act(self.na(self.a(x)))
        return self.fc(self.act(x + self.c(self.act(self.b(x)))).mean((2, 3)))


class Depthwise(nn.Module):  # type: ignore[misc]
    """A depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.na = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6)
        self.b, self.act = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU6()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(self.act(self.b(self.act(self.na(self.a(x))))).mean((2, 3)))


class Concat(nn.Module):  # type: ignore[misc]
    """Two branches laid end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 5, 3), nn.ReLU()
        self.fc = nn.Linear(9, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(torch.cat([self.act(self.a(x)), self.b(x)], 1).mean((2, 3)))


class Linear(nn.Module):  # type: ignore[misc]
    """Matrix products; nothing in the results depends on ``spare``."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.fc = nn.Linear(5, 8), nn.Linear(8, 7), nn.Linear(7, 3)
        self.act, self.spare = nn.Tanh(), nn.Linear(7, 2)

    def forward(self, x: Any) -> Any:
        return self.fc(self.act(self.b(self.act(self.a(x)))))


@dataclass(frozen=True, eq=False)
class Case:
    """A module and its groups, named by the parameter that makes their channels.

    Attributes:
        make: Gives the module.
        shape: Of one sample.
        groups: What belongs to the units of each group.
    """

    make: Callable[[], Any]
    shape: tuple[int, ...]
    groups: Mapping[str, tuple[int, Sequence[Piece]]]

    @cached_property
    def _drawn(self) -> tuple[Any, Mapping[str, Any], Any]:
        """The module in evaluation mode, its contents, and what it was traced to."""
        torch.manual_seed(0)
        module = self.make().double().eval()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 2), nn.init.normal_(part.bias)
                part.running_mean.normal_(), part.running_var.uniform_(0.5, 2)
        traced = trace(module, (torch.ones(2, *self.shape, dtype=torch.float64),))
        return module, copy.deepcopy(module.state_dict()), traced

    def module(self) -> Any:
        """The module, with the same random contents every time."""
        module, contents, _ = self._drawn
        module.load_state_dict(contents)
        return module

    def coupled(self) -> tuple[Any, Coupling]:
        """The module as it was traced, whatever it holds now, and its groups."""
        _, _, traced = self._drawn
        return traced, couple(traced.graph)

    def batches(self, count: int = 2, size: int = 4) -> list[Any]:
        """Inputs with targets."""
        draw = torch.Generator().manual_seed(1)
        inputs = [
            torch.randn(size, *self.shape, generator=draw, dtype=torch.float64)
            for _ in range(count)
        ]
        return [(x, torch.arange(size) % 3) for x in inputs]

    def by_hand(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Sums of tensors over every unit, ``(pieces, units)`` by group."""
        return {
            name: np.array(
                [
                    [float(tensors[p].select(axis, at + i).sum()) for i in range(width)]
                    for p, axis, at in pieces
                    if p in tensors
                ]
            )
            for name, (width, pieces) in self.groups.items()
        }


CASES = {
    "residual": Case(
        Residual,
        (3, 6, 6),
        {
            "a": (
                6,
                [
                    ("a.weight", 0, 0), ("a.bias", 0, 0), ("na.weight", 0, 0), ("na.bias", 0, 0),
                    ("b.weight", 1, 0), ("c.weight", 0, 0), ("c.bias", 0, 0), ("fc.weight", 1, 0),
                ],
            ),
            "b": (5, [("b.weight", 0, 0), ("b.bias", 0, 0), ("c.weight", 1, 0)]),
        },
    ),
    "depthwise": Case(
        Depthwise,
        (3, 5, 5),
        {
            "a": (
                6,
                [
                    ("a.weight", 0, 0), ("a.bias", 0, 0), ("na.weight", 0, 0), ("na.bias", 0, 0),
                    ("b.weight", 0, 0), ("b.bias", 0, 0), ("fc.weight", 1, 0),
                ],
            ),
        },
    ),
    "concat": Case(
        Concat,
        (3, 5, 5),
        {
            "a": (4, [("a.weight", 0, 0), ("a.bias", 0, 0), ("fc.weight", 1, 0)]),
            "b": (5, [("b.weight", 0, 0), ("b.bias", 0, 0), ("fc.weight", 1, 4)]),
        },
    ),
    "linear": Case(
        Linear,
        (5,),
        {
            "a": (8, [("a.weight", 0, 0), ("a.bias", 0, 0), ("b.weight", 1, 0)]),
            "b": (7, [("b.weight", 0, 0), ("b.bias", 0, 0), ("fc.weight", 1, 0)]),
        },
    ),
}  # fmt: skip


def fresh(name: str) -> Case:
    """A case whose module holds what it was drawn with."""
    CASES[name].module()
    return CASES[name]


def scored(case: Case, spec: str, data: Any = None, loss: Any = None) -> Scores:
    """The scores of the module's units as it is now, groups named as those of the case."""
    traced, coupling = case.coupled()
    observer = None if data is None else Observed(traced, data, loss)
    scores = score(spec, coupling, Evidence(traced.contents, observer))
    names = {group.name: _maker(coupling, group.name) for group in coupling}
    assert set(names.values()) == set(case.groups)
    values = {names[group]: rows for group, rows in scores.values.items()}
    return Scores(values, scores.criterion, scores.notes)


def _maker(coupling: Coupling, group: str) -> str:
    made = [m.param for m in coupling.group(group).members if m.role == "out"]
    return min(name.partition(".")[0] for name in made)
