"""One build: what is asked of TensorRT, and what becomes of its answer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from graphprune.backends import onnx_source
from graphprune.backends.base import Model, Precision, Shapes
from graphprune.backends.cache import Key, fingerprint
from graphprune.backends.tensorrt import precision as precisions
from graphprune.backends.tensorrt import prepare
from graphprune.backends.tensorrt.connection import Connection, Library
from graphprune.backends.tensorrt.precision import Decision, Typing
from graphprune.backends.tensorrt.shapes import Range, resolve
from graphprune.data import InputSpec
from graphprune.errors import BackendError

_TOOLS = ("onnx", "onnx-graphsurgeon", "onnxruntime", "onnxconverter-common", "nvidia-modelopt")


@dataclass(frozen=True)
class Tuning:
    """What the builder is told beside shapes and precision.

    Attributes:
        workspace: Bytes of scratch memory a layer may use; all there is where None.
        level: How hard the builder tries, 0 to 5; its own choice where None.
        tf32: Whether float32 may be multiplied with fewer digits.
        libraries: Whether kernels of cuBLAS and cuDNN may be chosen as well.
        timings: File of the timing cache, or None.
    """

    workspace: int | None
    level: int | None
    tf32: bool
    libraries: bool
    timings: str | None


@dataclass(frozen=True)
class Wanted:
    """What an engine is to be, beside the shapes it is to run on.

    Attributes:
        ranges: Inputs that it is to take in several shapes.
        precision: Of what the model leaves in float32.
        typing: See `precision.decide`.
        int8: Whether the graph must be quantised.
        tuning: The rest.
    """

    ranges: Mapping[str, Range]
    precision: Precision
    typing: Typing
    int8: bool
    tuning: Tuning

    def described(self, ranges: Mapping[str, Range], decision: Decision) -> dict[str, Any]:
        """Returns all that an engine depends on beside model, version and device, for JSON.

        Args:
            ranges: The shapes of every input.
            decision: How the precision is reached.
        """
        return {
            "precision": self.precision,
            "typing": "strong" if decision.strong else "weak",
            "flags": sorted(decision.flags),
            "shapes": {name: one.three for name, one in sorted(ranges.items())},
            "workspace": self.tuning.workspace,
            "level": self.tuning.level,
            "tf32": self.tuning.tf32,
            "libraries": self.tuning.libraries,
            "prepared by": _tools(),
        }


@dataclass(frozen=True, eq=False)
class Job:
    """A model and all that its engine depends on.

    Attributes:
        source: The model.
        place: Its name in messages.
        specs: Its inputs, as a caller feeds them.
        outputs: Element types of its outputs, by name.
        ranges: The shapes of every input.
        shapes: The shape of every input that the engine first runs on.
        precision: Of what the model leaves in float32.
        decision: How that is reached.
        tuning: The rest.
        key: All of it, for files.
    """

    source: onnx.ModelProto
    place: str | None
    specs: tuple[InputSpec, ...]
    outputs: dict[str, str]
    ranges: dict[str, Range]
    shapes: dict[str, tuple[int, ...]]
    precision: Precision
    decision: Decision
    tuning: Tuning
    key: Key

    @classmethod
    def of(cls, model: Model, library: Library, shapes: Shapes, wanted: Wanted) -> Job:
        """Reads a model and decides how its engine is built.

        Args:
            model: A path, serialised bytes, or a ModelProto.
            library: The TensorRT it is for.
            shapes: By input, where the model leaves them open.
            wanted: The rest.

        Raises:
            BackendError: The model cannot be read, or this cannot be had.
        """
        source = prepare.read(model)
        specs = prepare.inputs(source)
        ranges = resolve(specs, shapes, wanted.ranges)
        decision = precisions.decide(
            library.version, wanted.precision, wanted.typing, source, wanted.int8
        )
        options = wanted.described(ranges, decision)
        return cls(
            source,
            onnx_source.place(model),
            specs,
            _outputs(source),
            ranges,
            {name: tuple(shapes.get(name, one.usual)) for name, one in ranges.items()},
            wanted.precision,
            decision,
            wanted.tuning,
            Key(fingerprint(model), "tensorrt", library.text, library.place, options),
        )

    @property
    def interface(self) -> dict[str, Any]:
        """What a caller must know to run the engine, ready for JSON."""
        return {
            "inputs": [
                [spec.name, self._shape(spec), spec.dtype.name] for spec in self.specs
            ],
            "outputs": self.outputs,
            "precision": self.precision,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
        }  # fmt: skip

    def _shape(self, spec: InputSpec) -> list[int | str | None]:
        range_ = self.ranges[spec.name]
        sizes = zip(range_.smallest, range_.largest, spec.shape, strict=True)
        return [low if low == high else dim for low, high, dim in sizes]

    def compile(self, connection: Connection, limit: float) -> tuple[bytes, float]:
        """Builds the engine.

        Args:
            connection: The process that holds TensorRT.
            limit: Seconds it may take.

        Returns:
            TensorRT's bytes, and the seconds the builder took.

        Raises:
            BackendError: TensorRT refuses the model, its process ended, or the time is up.
        """
        made = self._prepared(connection, limit)
        with tempfile.TemporaryDirectory(prefix="graphprune-") as folder:
            path, engine = Path(folder, "model.onnx"), Path(folder, "model.engine")
            prepare.write(made, path)
            reply = connection.call("build", self._request(path, engine), limit=limit)
            if reply["errors"]:
                raise _unparsed(reply["errors"], made, self.place, connection.library)
            return engine.read_bytes(), reply["seconds"]

    def _prepared(self, connection: Connection, limit: float) -> onnx.ModelProto:
        # The cache asks for this job's key later, and a caller may hold the model: a copy.
        model = prepare.read(self.source)
        candidates = {"operators": prepare.operators(model)}
        reply = connection.call("unsupported", candidates, limit=limit)
        model = prepare.prepare(model, self.ranges, reply["operators"])
        if self.decision.convert is not None:
            model = prepare.tidied(precisions.convert(model, self.decision.convert))
        return model

    def _request(self, model: Path, engine: Path) -> dict[str, Any]:
        moving = {name: one.three for name, one in self.ranges.items() if not one.fixed}
        return {
            "model": str(model),
            "engine": str(engine),
            "strong": self.decision.strong,
            "flags": list(self.decision.flags),
            "profiles": moving,
            "workspace": self.tuning.workspace,
            "level": self.tuning.level,
            "tf32": self.tuning.tf32,
            "libraries": self.tuning.libraries,
            "timing_cache": self.tuning.timings,
        }


def _tools() -> dict[str, str]:
    """Versions of what writes the engine's copy of a model."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _outputs(model: onnx.ModelProto) -> dict[str, str]:
    types = ((info.name, info.type.tensor_type.elem_type) for info in model.graph.output)
    return {name: helper.tensor_dtype_to_np_dtype(kind).name for name, kind in types}


def _unparsed(
    errors: list[dict[str, Any]], model: onnx.ModelProto, place: str | None, library: Library
) -> BackendError:
    """Returns the error for what the parser did not like, one line a node."""
    lines = []
    for error in errors:
        name, operator, at = error["name"], error["operator"], error["node"]
        # Parsers before version 10 give the index alone.
        if not name and 0 <= at < len(model.graph.node):
            name, operator = model.graph.node[at].name, model.graph.node[at].op_type
        where = f"node '{name}' ({operator}): " if name else ""
        code = f" [{error['code']}]" if error["code"] else ""
        lines.append(f"{where}{error['text'].strip()}{code}")
    return BackendError(
        f"TensorRT {library.text} cannot read the model", where=place, why="\n".join(lines)
    )
