"""What single layers take, before and after: where a model got faster, and where it did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphprune.data import Feeds
from graphprune.measure.models import Setting

_TURNS = 5
"""How often each model is watched; of every layer the median counts."""


@dataclass(frozen=True)
class LayerTime:
    """One layer, by its name in the engine; what the engine fused is one layer.

    Attributes:
        name: Its name.
        before: Mean seconds a call in the first model, None where it has no such layer.
        after: The same of the second.
    """

    name: str
    before: float | None
    after: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


def per_layer(
    models: Sequence[Any], feeds: Feeds, setting: Setting, *, seconds: float = 1.0
) -> tuple[LayerTime, ...]:
    """Times the layers of one model, or of two in turns.

    To watch layers slows the whole down, so their sum is no latency.

    Args:
        models: One or two.
        feeds: One array an input.
        setting: What they are built for.
        seconds: How long they are watched, all in all.

    Returns:
        The layers of the first model in order of execution, then those only the second has.

    Raises:
        BackendUnavailable: The engine is not installed.
        BackendError: It refuses a model, or gives no times of layers.
    """
    share = seconds / (_TURNS * len(models))
    turns: list[list[dict[str, float]]] = [[] for _ in models]
    with ExitStack() as stack:
        engines = [stack.enter_context(closing(setting.build(one, feeds))) for one in models]
        for _ in range(_TURNS):
            for engine, found in zip(engines, turns, strict=True):
                found.append(engine.profile(feeds, seconds=share))
    return joined(*map(_medians, turns))


def joined(
    before: Mapping[str, float], after: Mapping[str, float] | None = None
) -> tuple[LayerTime, ...]:
    """Puts the layers of two models beside each other, by name.

    Args:
        before: Seconds by layer.
        after: The same of the other model, where there is one.
    """
    other = after or {}
    names = dict.fromkeys((*before, *other))
    return tuple(LayerTime(name, before.get(name), other.get(name)) for name in names)


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {
        name: float(np.median([turn[name] for turn in turns if name in turn]))
        for name in dict.fromkeys(name for turn in turns for name in turn)
    }
