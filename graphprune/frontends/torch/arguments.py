"""What a module is called with: batches read as calls of the module, and targets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as tree

from graphprune.errors import BadData
from graphprune.frontends.torch.fitting import SEQUENCES, Fitting, Place, is_equal, kind, leaves
from graphprune.frontends.torch.trace import TracedModule

_TARGETS = ("labels", "label", "targets", "target")
Call = tuple[tuple[Any, ...], dict[str, Any]]


class Arguments:
    """The inputs that a traced module takes.

    Args:
        traced: The module.
        device: Where its parameters lie.
    """

    def __init__(self, traced: TracedModule, device: Any) -> None:
        program = traced.program
        metas = {n.name: n.meta.get("val") for n in program.graph.nodes if n.op == "placeholder"}
        specs = program.graph_signature.input_specs
        places = [Place.of(s.arg, metas) for s in specs if s.kind.name == "USER_INPUT"]
        ordered, named = tree.tree_unflatten(places, program.call_spec.in_spec)
        self.device, self._fixed = device, traced.fixed
        self._defaults = _positions(traced.module, len(ordered))
        self._positions = tuple(self._defaults)
        names = self._positions[: len(ordered)]
        self._places: dict[str, Any] = dict(zip(names, ordered, strict=True)) | dict(named)
        self._constants = {
            name: place.constant
            for name, place in self._places.items()
            if isinstance(place, Place) and place.traced is None
        }

    def split(self, batch: Any, paired: bool, where: str) -> tuple[Call, Any]:
        """A batch as a call of the module, and its targets.

        Args:
            batch: A tensor or array; a sequence of positional inputs; a mapping of inputs by
                keyword; any of these with targets, as ``(inputs, targets)``, as the last of a
                sequence or under a key such as ``labels`` or ``targets``.
            paired: Whether there have to be targets. Otherwise what can be read as inputs alone
                is read so.
            where: The batch, for messages.

        Returns:
            The call, and the targets; None where there are none.

        Raises:
            BadData: The batch cannot be read as what the module takes.
        """
        for call, targets in self._readings(batch, paired):
            if self._fits(call):
                return call, targets
        if isinstance(batch, Mapping) and not paired:
            self.leaves((), self._inputs(batch), where)  # says what is wrong
        what = "cannot be split into inputs and targets" if paired else "does not fit the module"
        loss = ", or a loss that is called as loss(module, batch)"
        inputs = "give a tensor, a tuple of positional inputs or a dict of inputs by keyword"
        raise BadData(
            f"a batch {what}",
            where=where,
            why=f"it is {kind(batch)}; the module takes {self._names}",
            fix="give pairs (inputs, targets)" + loss if paired else inputs,
        )

    def _readings(self, batch: Any, paired: bool) -> Iterator[tuple[Call, Any]]:
        """Every way to read a batch, the likeliest first."""
        if not paired:
            yield from ((call, None) for call in self._calls(batch))
        if isinstance(batch, SEQUENCES) and len(batch) == 2:
            yield from ((call, batch[1]) for call in self._calls(batch[0]))
        if isinstance(batch, SEQUENCES) and len(batch) > 1:
            yield (tuple(batch[:-1]), {}), batch[-1]
        if isinstance(batch, Mapping):
            for key in _TARGETS:
                if key in batch and key not in self._places:
                    yield ((), self._inputs(batch)), batch[key]

    def _calls(self, inputs: Any) -> Iterator[Call]:
        yield (inputs,), {}
        if isinstance(inputs, SEQUENCES):
            yield tuple(inputs), {}
        if isinstance(inputs, Mapping):
            yield (), dict(inputs)

    def _inputs(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping without targets that the module does not take."""
        return {k: v for k, v in batch.items() if k in self._places or k not in _TARGETS}

    def _fits(self, call: Call) -> bool:
        try:
            for name, places, given in self._bound(*call, ""):
                for _ in leaves(name, places, given, ""):
                    pass
        except BadData:
            return False
        return True

    def leaves(self, args: Sequence[Any], kwargs: Mapping[str, Any], where: str) -> list[Any]:
        """The inputs of a call in the order of the program's placeholders.

        Tensors are copies on the module's device, of the type they were traced with.

        Args:
            args: Positional inputs, tensors or arrays.
            kwargs: Inputs by keyword.
            where: The batch, for messages.

        Raises:
            BadData: They do not fit the program.
        """
        fitting = Fitting(self.device, where, self._fixed)
        return [
            fitting.leaf(*leaf)
            for name, places, given in self._bound(args, kwargs, where)
            for leaf in leaves(name, places, given, where)
        ]

    def _bound(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], where: str
    ) -> list[tuple[str, Any, Any]]:
        """Every input by name with its place, in the program's order."""
        given = dict(zip(self._positions, args, strict=False))
        given = self._constants | given | dict(kwargs)
        unknown = [f"'{n}'" for n, item in given.items() if not self._is_traced(n, item)]
        if len(args) > len(self._positions):
            unknown.append(f"{len(args)} positional inputs")
        missing = [f"'{name}'" for name in self._places if name not in given]
        if missing or unknown:
            parts = [f"missing: {', '.join(missing)}"] if missing else []
            parts += [f"not traced: {', '.join(unknown)}"] if unknown else []
            raise BadData(
                "a batch does not hold the inputs that the module was traced with",
                where=where,
                why="; ".join(parts),
                fix=f"give {self._names}, or trace the module with what the batches hold",
            )
        return [(name, place, given[name]) for name, place in self._places.items()]

    def _is_traced(self, name: str, item: Any) -> bool:
        """Whether an input is one of the program, or left as it was when the module was traced."""
        left = item is None or is_equal(item, self._defaults.get(name))
        return name in self._places or left

    @property
    def _names(self) -> str:
        return ", ".join(f"'{name}'" for name in self._places) or "no inputs"


def _positions(module: Any, count: int) -> dict[str, Any]:
    """Positional inputs by name with their defaults; more than were given, if there are more."""
    found: dict[str, Any] = {}
    if isinstance(module, torch.nn.Module):
        by_position = (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
        for parameter in inspect.signature(module.forward).parameters.values():
            if parameter.kind not in by_position:
                break
            found[parameter.name] = parameter.default
    else:
        names = [str(name) for name in module.graph_signature.user_inputs]
        found = dict.fromkeys(names if len(names) == count else [])
    return found | {f"input {i}": None for i in range(len(found), count)}
