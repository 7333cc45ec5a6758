"""The methods that are compared, as options of graphprune.prune."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import graphprune
from benchmarks.images.data import Images
from graphprune.errors import BadData
from graphprune.passes.score.readers import data_points

BATCH = 64


@dataclass(frozen=True)
class Method:
    """What is asked of graphprune.

    Attributes:
        options: Options of :func:`graphprune.prune`.
        random: Whether results depend on the seed.
    """

    options: Mapping[str, str]
    random: bool = False


def _pass(criterion: str, allocation: str = "uniform", *, random: bool = False) -> Method:
    return Method({"criterion": criterion, "allocation": allocation}, random)


METHODS: dict[str, Method] = {
    "pfp": _pass("pfp", "pfp"),
    "pfp-uniform": _pass("pfp"),
    "pfp-edge": _pass("pfp:sensitivity=edge", "pfp"),
    "pfp-random": Method({"method": "pfp-random"}, random=True),
    "pfp-mixed": Method({"method": "pfp-mixed"}, random=True),
    "l1": _pass("l1"),
    "l2": _pass("l2"),
    "l2-global": _pass("l2", "global"),
    "fpgm": _pass("fpgm"),
    "thinet": _pass("thinet", random=True),
    "lasso": _pass("lasso", random=True),
    "bn-scale": _pass("bn-scale"),
    "bn-scale-global": _pass("bn-scale", "global"),
    "taylor": _pass("taylor"),
    "taylor-global": _pass("taylor", "global"),
    "snip": _pass("snip"),
    "snip-global": _pass("snip", "global"),
    "grasp": _pass("grasp"),
    "grasp-global": _pass("grasp", "global"),
    "synflow": _pass("synflow"),
    "synflow-global": _pass("synflow", "global"),
    "random": _pass("random", random=True),
}
"""By the names that tables show. ``-global`` ranks the channels of all layers together."""


class Unavailable(Exception):
    """This graphprune has no such method."""


def calibration(network: nn.Module, example: torch.Tensor, images: Images) -> Any:
    """The first training images, as many as PFP's bound asks for, in batches with their classes.

    Args:
        network: To be pruned.
        example: What it is called with.
        images: Training images.
    """
    points = data_points(graphprune.inspect(network, example).coupling)
    return list(images.first(points).batches(BATCH))


def options(name: str, seed: int) -> dict[str, Any]:
    """Options of graphprune for a method.

    Args:
        name: Of the method.
        seed: Of what is drawn.
    """
    return {**METHODS[name].options, "seed": seed, "loss": nn.CrossEntropyLoss()}


@contextmanager
def available() -> Iterator[None]:
    """Tells a method that this graphprune does not have from other errors.

    Raises:
        Unavailable: It does not have it.
    """
    try:
        yield
    except BadData as error:
        if "is called" in str(error):
            raise Unavailable(str(error)) from error
        raise
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise Unavailable(str(error)) from error
        raise
