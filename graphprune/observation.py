"""What an ONNX model computes on the user's batches: the contents of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod

import onnx

from graphprune.backends.base import Engine, get
from graphprune.data import Array, Feeds, InputSpec, batches
from graphprune.errors import BadData, UnsupportedModel
from graphprune.frontends.onnx import Lowered
from graphprune.passes.narrow import Narrowed, materialise

Contents = Mapping[str, Array]

# Elements that are looked at in one run where a model takes batches of any size.
_AT_ONCE = 1 << 25


class ObservedOnnx:
    """Runs an ONNX model over batches on onnxruntime and hands out what it computes.

    Args:
        lowered: The model.
        feeds: One mapping of arrays a batch. A batch is cut into smaller ones where the model
            takes any size, so that what is handed out at a time stays small.
        progress: Called with the number of batches done, and of all.
    """

    def __init__(
        self,
        lowered: Lowered,
        feeds: Sequence[Feeds],
        *,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self._lowered, self._feeds, self._progress = lowered, feeds, progress

    @property
    def learnable(self) -> frozenset[str]:
        """The parameter values; an ONNX model does not tell what training would change."""
        return frozenset(value.name for value in self._lowered.graph.params)

    def activations(self, names: Sequence[str]) -> Iterator[Contents]:
        """The contents of values, batch by batch.

        Args:
            names: Values of the graph that the model computes, or its inputs.

        Raises:
            BadData: There are no batches.
            BackendUnavailable: onnxruntime is not installed.
            BackendError: It refuses the model or a batch.
            UnsupportedModel: No operation of the file computes a value.
        """
        if not self._feeds:
            raise BadData("data holds no batches", fix="give at least one mapping of arrays")
        inputs = [name for name in names if name in self._lowered.graph.inputs]
        computed = [name for name in names if name not in inputs]
        self._require(computed)
        return self._results(inputs, computed)

    def gradients(self, names: Sequence[str]) -> Iterator[Contents]:
        """Refuses: an ONNX model has no gradients.

        Raises:
            UnsupportedModel: Always.
        """
        raise _without_gradients()

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Contents]:
        """Refuses: an ONNX model has no gradients.

        Raises:
            UnsupportedModel: Always.
        """
        raise _without_gradients()

    def _require(self, names: Sequence[str]) -> None:
        """Refuses values that the file does not compute as such."""
        proto = self._lowered.model.proto
        there = {name for node in proto.graph.node for name in node.output}
        for name in names:
            if name not in there:
                raise UnsupportedModel(
                    f"'{name}' cannot be observed",
                    where=name,
                    why="it is computed inside of an operation or a function of the file",
                    fix="choose a criterion without data",
                )

    def _results(self, inputs: Sequence[str], computed: Sequence[str]) -> Iterator[Contents]:
        values = self._lowered.graph.values
        # Of one run at the assumed input shapes, which holds one sample or more.
        elements = sum(prod(values[name].shape or (1,)) for name in computed)
        size = max(1, _AT_ONCE // max(1, elements))
        engine = get("onnxruntime").build(_with_outputs(self._lowered, computed))
        try:
            for done, feed in enumerate(self._feeds, 1):
                for part in _cut(feed, engine.inputs, size):
                    yield {name: part[name] for name in inputs} | _run(engine, part, computed)
                if self._progress is not None:
                    self._progress(done, len(self._feeds))
        finally:
            engine.close()


def _without_gradients() -> UnsupportedModel:
    return UnsupportedModel(
        "gradients need the nn.Module",
        why="an ONNX file says how to compute forwards only",
        fix="prune the nn.Module with data= and loss=, or choose a criterion without gradients",
    )


def _run(engine: Engine, feed: Feeds, names: Sequence[str]) -> dict[str, Array]:
    results = engine.run(feed)
    return {name: results[name] for name in names}


def _cut(feed: Feeds, specs: Sequence[InputSpec], size: int) -> Iterator[Feeds]:
    """A batch in pieces of some samples, where every input takes any number of them."""
    open_ended = all(spec.shape and not isinstance(spec.shape[0], int) for spec in specs)
    counts = {array.shape[0] if array.ndim else 0 for array in feed.values()}
    if open_ended and len(counts) == 1 and max(counts) > size:
        yield from batches(feed, size)
    else:
        yield feed


def _with_outputs(lowered: Lowered, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model that gives further values, which keep the types the engine infers."""
    copy = onnx.ModelProto()
    copy.CopyFrom(lowered.model.proto)
    given = {output.name for output in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in given)
    return materialise(Narrowed(copy, {}, lowered.model))
