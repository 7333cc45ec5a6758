"""Methods: published ways to prune, as the passes that they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from graphprune import specs
from graphprune.errors import BadData
from graphprune.passes.allocate import POLICIES
from graphprune.passes.score import CRITERIA
from graphprune.passes.select import SELECTORS
from graphprune.registry import Registry
from graphprune.specs import Option

PARTS: Mapping[str, Registry[Any]] = MappingProxyType(
    {"criterion": CRITERIA, "allocation": POLICIES, "selection": SELECTORS}
)
"""What a method is made of, and where the passes for it are registered."""


@dataclass(frozen=True)
class Method:
    """A way to prune. What it says of training is none of a method's: see graphprune.training.

    Attributes:
        source: The paper that it stands for.
        criterion: Spec of the pass that scores channels.
        allocation: Spec of the pass that spreads the budget over groups.
        selection: Spec of the pass that chooses channels once their number is known.
    """

    source: str
    criterion: str
    allocation: str = "uniform"
    selection: str = "top"

    @property
    def parts(self) -> dict[str, str]:
        """The specs by part."""
        return {part: getattr(self, part) for part in PARTS}


DEFAULT = Method("", "l2")
"""What is done where nothing is asked for."""

_PFP = (
    'Liebenwein et al., "Provable Filter Pruning for Efficient Neural Networks", ICLR 2020, '
    "section 4"
)
_UNFITTED = "without fitting the kept weights anew"
_OF_WEIGHTS = "there of weights, here summed over those of a channel"
_ONE_THRESHOLD = "global:normalise=none"

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "bn-scale": Method(
            'Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", '
            "ICCV 2017",
            "bn-scale",
            _ONE_THRESHOLD,
        ),
        "fpgm": Method(
            'He et al., "Filter Pruning via Geometric Median for Deep Convolutional Neural '
            'Networks Acceleration", CVPR 2019',
            "fpgm",
        ),
        "grasp": Method(
            'Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow", '
            f"ICLR 2020; {_OF_WEIGHTS}",
            "grasp",
            _ONE_THRESHOLD,
        ),
        "l1": Method('Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017', "l1"),
        "l2": Method(
            'He et al., "Soft Filter Pruning for Accelerating Deep Convolutional Neural '
            'Networks", IJCAI 2018; its training is graphprune.SoftPruning',
            "l2",
        ),
        "lasso": Method(
            'He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, '
            f"{_UNFITTED}",
            "lasso",
        ),
        "pfp": Method(f"{_PFP}, deterministic", "pfp", "pfp"),
        "pfp-mixed": Method(f"{_PFP}, partly deterministic", "pfp", "pfp", "mixed"),
        "pfp-random": Method(f"{_PFP}, sampled", "pfp", "pfp", "sample"),
        "precrop": Method(
            'Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549; '
            "with fresh weights: graphprune.precrop",
            "random",
            "precrop",
        ),
        "random": Method("none (the control)", "random"),
        "snip": Method(
            'Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity", '
            f"ICLR 2019; {_OF_WEIGHTS}",
            "snip",
            _ONE_THRESHOLD,
        ),
        "synflow": Method(
            'Tanaka et al., "Pruning Neural Networks without any Data by Iteratively Conserving '
            f'Synaptic Flow", NeurIPS 2020; {_OF_WEIGHTS}',
            "synflow",
            _ONE_THRESHOLD,
        ),
        "taylor": Method(
            'Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019',
            "taylor",
            _ONE_THRESHOLD,
        ),
        "thinet": Method(
            'Luo et al., "ThiNet: A Filter Level Pruning Method for Deep Neural Network '
            f'Compression", ICCV 2017, {_UNFITTED}',
            "thinet",
        ),
    }
)
"""The methods by name, in alphabetical order."""


@dataclass(frozen=True)
class Choice:
    """What a pruning does, every spec in its one spelling.

    Attributes:
        method: The method that was asked for, or None.
        criterion: The pass that scores.
        allocation: The pass that spreads the budget.
        selection: The pass that chooses channels.
    """

    method: str | None
    criterion: str
    allocation: str
    selection: str


def choose(method: str | None, given: Mapping[str, object]) -> Choice:
    """The passes of a method, but for those that are given.

    Options of the method go to every pass of it that has them and is not replaced.

    Args:
        method: Its spec, or None for the default.
        given: Specs or passes by part; None for those that the method decides.

    Raises:
        BadData: A spec is misspelled, or names a method, pass or option that does not exist.
    """
    own = {part: PARTS[part].spec(what) for part, what in given.items() if what is not None}
    if method is None:
        return Choice(None, **{**DEFAULT.parts, **own})
    name, texts = specs.split("method", method)
    if name not in METHODS:
        raise BadData(
            f"no method is called '{name}'",
            where=method if method != name else None,
            fix=f"choose one of: {', '.join(METHODS)}",
        )
    preset = {part: spec for part, spec in METHODS[name].parts.items() if part not in own}
    options = [option for spec in preset.items() for option in _defaults(*spec)]
    known = {option.name: option for option in options}
    values = dict(_values(name, known, texts, method))
    made = {part: _with(part, spec, texts) for part, spec in preset.items()}
    changed = [o.name for o in options if o.name in values and values[o.name] != o.default]
    shown = {key: str(known[key].written(values[key])) for key in dict.fromkeys(changed)}
    return Choice(specs.joined(name, shown), **{**made, **own})


def options_of(name: str) -> tuple[Option, ...]:
    """The options that a method has: those of its passes, with the defaults that it gives them.

    Args:
        name: Of the method.
    """
    found = (option for spec in METHODS[name].parts.items() for option in _defaults(*spec))
    return tuple({option.name: option for option in found}.values())


def needs_of(name: str) -> frozenset[str]:
    """What a method cannot do without, of :data:`graphprune.registry.NEEDS`.

    Args:
        name: Of the method.
    """
    parts = METHODS[name].parts.items()
    return frozenset().union(*(PARTS[part].needs(spec) for part, spec in parts))


def _defaults(part: str, spec: str) -> Iterator[Option]:
    """The options of one pass of a method; the method's own values are their defaults."""
    made = PARTS[part].create(spec)
    for option in specs.options_of(type(made)):
        yield replace(option, default=getattr(made, option.name))


def _values(
    name: str, known: Mapping[str, Option], texts: Mapping[str, str], spec: str
) -> Iterator[tuple[str, specs.Value]]:
    """The options of a method's spec, read."""
    for key, text in texts.items():
        if key not in known:
            lost = [part for part, own in METHODS[name].parts.items() if key in _names(part, own)]
            raise BadData(
                f"method '{name}' has no option '{key}'"
                + (f" without its {' and '.join(lost)}" if lost else ""),
                where=spec,
                fix=f"its options are: {', '.join(map(str, known.values())) or 'none'}",
            )
        try:
            yield key, known[key].read(text)
        except ValueError as error:
            raise specs.wrong_value(f"method '{name}'", known[key], text, spec) from error


def _with(part: str, spec: str, texts: Mapping[str, str]) -> str:
    """The spec of a pass with those texts that are options of it."""
    name, own = specs.split(part, spec)
    asked = {key: text for key, text in texts.items() if key in _names(part, spec)}
    return PARTS[part].spec(specs.joined(name, {**own, **asked}))


def _names(part: str, spec: str) -> set[str]:
    """The names of a pass's options."""
    return {option.name for option in _defaults(part, spec)}
