"""Parameters, multiply-accumulates and activation memory as functions of the widths.

Conventions:

* One MAC is one multiply-accumulate of ``conv``, ``conv_transpose``, ``contract``, ``lstm``,
  ``gru`` or ``rnn``. Biases, elementwise operations, norms, pools and resizes count none. A conv
  counts its padded border like any other position; a transposed conv counts one multiplication
  for every input position, filter element and output channel, also where the border is cropped.
* Parameters are the elements of all values of kind ``param``. Uses of one native tensor (equal
  ``source``) count once while they stay alike; uses narrowed differently become separate tensors.
  :meth:`CostModel.evaluate` knows widths only and takes uses of equal extents for alike;
  :meth:`CostModel.exact` compares the kept elements themselves.
* Memory is the bytes of all values of kind ``computed`` that nodes give, each counted once, as if
  none shared a buffer: an upper bound that every engine's planner improves on.
* Values of unknown shape count nothing, and a node that reads or gives one counts no MACs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphprune.groups import Alive, Coupling, Ids, Left
from graphprune.terms import METRICS, Floats, Terms, Use, add_up, collect, layer_along

__all__ = ["METRICS", "Cost", "CostModel"]


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        params: Elements of all parameters.
        macs: Multiply-accumulates of one run at the graph's input shapes.
        memory: Bytes of all activations of one run.
    """

    params: int
    macs: int
    memory: int


@dataclass(frozen=True, eq=False)
class CostModel:
    """Sums of products of dimensions, each an affine function of the group widths.

    Attributes:
        coupling: The network.
        terms: The products.
    """

    coupling: Coupling
    terms: Terms

    @classmethod
    def of(cls, coupling: Coupling) -> CostModel:
        """The cost of a network as a function of its group widths."""
        return cls(coupling, collect(coupling))

    @cached_property
    def full(self) -> Cost:
        """The cost of the network as it is."""
        return self.exact(self.coupling.everything())

    @cached_property
    def widths(self) -> Ids:
        """The full width of every group, ``(groups,)``."""
        return np.array([group.width for group in self.coupling], dtype=np.int64)

    def evaluate(self, widths: Ids) -> Cost:
        """The cost at given widths; exact where the units of each group are alike.

        Args:
            widths: Units kept in each row of each group, ``(groups,)`` in the coupling's order.
        """
        where, group, units = self.terms.slopes
        base = self.terms.base
        dims = base + add_up(units * np.asarray(widths)[group], where, len(base))
        sizes = self._sizes(dims)
        for later, earlier in self.terms.twins:
            if later.is_alike(earlier, dims):
                sizes[later.term] = 0
        return _cost(add_up(sizes, self.terms.metrics, len(METRICS)))

    def exact(self, alive: Left) -> Cost:
        """The cost once the dead units are removed.

        Args:
            alive: Whether each unit lives, or how many stand for it, indexed by unit id.
        """
        sizes = self._exact_sizes(alive)
        return _cost(add_up(sizes, self.terms.metrics, len(METRICS)))

    def by_node(self, alive: Alive | None = None) -> dict[str, Cost]:
        """The cost of every node by its title; nodes of one title are added up.

        A parameter is charged to the first node that reads it, so the sum over all nodes is the
        cost of the network, but for parameters that no node reads.

        Args:
            alive: Whether each unit lives; every one where omitted.
        """
        sizes = self._exact_sizes(self.coupling.everything() if alive is None else alive)
        nodes = self.coupling.graph.nodes
        # The last line takes what is charged to no node: index -1.
        sums = np.zeros((len(nodes) + 1, len(METRICS)))
        np.add.at(sums, (self.terms.nodes, self.terms.metrics), sizes)
        by_title: dict[str, Floats] = {}
        for node, line in zip(nodes, sums[:-1], strict=True):
            by_title[node.title] = by_title.get(node.title, 0) + line
        return {title: _cost(line) for title, line in by_title.items()}

    def _sizes(self, dims: Floats) -> Floats:
        products: Floats = self.terms.factors * dims[self.terms.indices].prod(axis=1)
        return products

    def _exact_sizes(self, alive: Left) -> Floats:
        where, ids = self.terms.elements
        dims = add_up(alive[ids], where, len(self.terms.base))
        dims[0] = 1
        sizes = self._sizes(dims)
        for later, earlier in self.terms.twins:
            if self._is_shared(alive, dims, later, earlier):
                sizes[later.term] = 0
        return sizes

    def _is_shared(self, alive: Left, dims: Floats, one: Use, other: Use) -> bool:
        """Whether two uses keep the same elements of their tensor."""
        values = self.coupling.graph.values
        shape = values[one.value].known_shape
        if values[other.value].known_shape != shape:
            return one.is_alike(other, dims)
        for axis in range(len(shape)):
            layers = (layer_along(self.coupling, use.value, axis) for use in (one, other))
            left, right = (alive[layer.ids] if layer else np.True_ for layer in layers)
            if not np.all(left == right):
                return False
        return True


def _cost(sums: Floats) -> Cost:
    params, macs, memory = (round(float(value)) for value in sums)
    return Cost(params=params, macs=macs, memory=memory)
