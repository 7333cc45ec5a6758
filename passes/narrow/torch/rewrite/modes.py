"""Training and evaluation: operators that behave otherwise follow the mode of their module."""

from __future__ import annotations

from typing import Any

import torch

from graphprune.passes.narrow.torch.rewrite.plan import Planned, module_path
from graphprune.passes.narrow.torch.rewrite.site import Site
from graphprune.passes.narrow.torch.rewrite.tree import container

# Which argument says that the operator trains.
_ARGUMENT = {
    "dropout": "train",
    "feature_dropout": "train",
    "alpha_dropout": "train",
    "feature_alpha_dropout": "train",
    "native_dropout": "train",
    "batch_norm": "training",
    "instance_norm": "use_input_stats",
    "rrelu": "training",
    "rrelu_with_noise": "training",
    "lstm": "train",
    "gru": "train",
    "rnn_tanh": "train",
    "rnn_relu": "train",
}


def count_batch(tracked: Any, training: bool) -> None:
    """Count one batch in a buffer while a module trains."""
    if training:
        tracked.add_(1)


def averaging(tracked: Any, training: bool) -> float:
    """The weight of one batch in a plain average over all batches so far."""
    return 1.0 / float(tracked) if training else 0.0


class Modes:
    """Which argument of a call follows which module.

    Args:
        planned: The original.
        root: The containers of the narrowed module.
    """

    def __init__(self, planned: Planned, root: Any) -> None:
        self._module = planned.traced.module
        self._root = root
        self._told: set[str] = set()
        specs = planned.traced.program.graph_signature.input_specs
        self._names = {spec.arg.name: spec.target for spec in specs if spec.target}

    def argument(self, site: Site) -> tuple[str, str] | None:
        """The argument that says whether an operator trains, and the path of its module.

        None where it is no such operator, or the argument was not its module's mode: dropout
        that is always on, statistics that are always those of the batch.
        """
        name = _ARGUMENT.get(site.call.op)
        path = self._owner(site)
        if name is None or path is None:
            return None
        given = bool(site.arguments[name])
        if not self._is_module:
            self._set(path, given)
        holder = self._found(path)
        return (name, path) if holder is not None and holder.training == given else None

    def _set(self, path: str, training: bool) -> None:
        """An exported program keeps no modes: the first operator of a module tells its mode."""
        if path not in self._told:
            self._told.add(path)
            container(self._root, path).training = training
            self._root.training = self._root.training or training

    @property
    def _is_module(self) -> bool:
        return isinstance(self._module, torch.nn.Module)

    def _found(self, path: str) -> Any:
        holder = self._root
        for part in filter(None, path.split(".")):
            holder = holder._modules.get(part) if holder is not None else None
        return holder

    def _owner(self, site: Site) -> str | None:
        """The path of the module that an operator belongs to."""
        statistics = site.arguments.get("running_mean")
        if site.call.op in ("batch_norm", "instance_norm"):
            if statistics is None or statistics.name not in self._names:
                return None
            return str(self._names[statistics.name].rpartition(".")[0])
        return module_path(site.node)

    def tracked(self, path: str) -> str | None:
        """The name of the buffer in which a normalisation counts batches, if it has one."""
        holder = self._found(path)
        if holder is None or holder._buffers.get("num_batches_tracked") is None:
            return None
        return f"{path}.num_batches_tracked" if path else "num_batches_tracked"

    def averages(self, path: str) -> bool:
        """Whether a normalisation weighs all batches alike, which needs their number."""
        if not self._is_module:
            return False
        part = self._module.get_submodule(path)
        return getattr(part, "momentum", 0.0) is None

    def counted(self, node: Any) -> str | None:
        """The path of the module whose batches a call counts, None where it does not."""
        schema = getattr(node.target, "_schema", None)
        if schema is None or schema.name != "aten::add_" or node.args[1] != 1:
            return None
        name = self._names.get(getattr(node.args[0], "name", ""), "")
        path, _, last = name.rpartition(".")
        holder = self._found(path)
        if last != "num_batches_tracked" or holder is None:
            return None
        return path if holder.training or not self._is_module else None
