"""Weights that are drawn again where they are needed, so that they need not be carried there.

The networks' large weights are random anyway. A file holds zeros in their place and is packed,
which makes two megabytes out of a hundred, and every machine draws the same numbers from the same
seeds.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

LARGE = 4096
"""Elements from which on weights are drawn again; smaller ones stay in the file."""

_ROUNDING = 1e-6
"""Relative distance from a scaled weight that float32 explains."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weight:
    """One weight of a network as its module has it.

    Attributes:
        name: Its name in the module, from which its seed is made.
        shape: Its shape there.
        deviation: Standard deviation of its elements, which are normal around 0.
    """

    name: str
    shape: tuple[int, ...]
    deviation: float

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Weight:
        """Reads what `asdict` gave, and JSON kept."""
        return cls(document["name"], tuple(document["shape"]), document["deviation"])

    def array(self) -> Floats:
        """Draws it."""
        rng = np.random.default_rng([0, zlib.crc32(self.name.encode())])
        drawn = rng.standard_normal(self.shape, dtype=np.float32)
        return drawn * np.float32(self.deviation)


def draw(module: Any) -> Iterator[Weight]:
    """Draws the large weights of a module in place, as widely spread as they were.

    Args:
        module: A torch.nn.Module.
    """
    import torch

    for name, parameter in module.named_parameters():
        if parameter.ndim > 1 and parameter.numel() >= LARGE:
            weight = Weight(name, tuple(parameter.shape), parameter.detach().std().item())
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(weight.array()))
            yield weight


def pack_onnx(model: onnx.ModelProto, weights: Iterable[Weight]) -> tuple[bytes, dict[str, Any]]:
    """Packs an ONNX model without the weights that can be drawn again.

    Args:
        model: It loses them.
        weights: Those of the module that it was exported from.

    Returns:
        The file, and by initializer what is to be drawn: exporters rename and transpose weights,
        and fold norms into them, which scales their rows.
    """
    arrays = [(weight, weight.array()) for weight in weights]
    found = {}
    for tensor in model.graph.initializer:
        held = numpy_helper.to_array(tensor)
        if held.size < LARGE or held.dtype != np.float32:
            continue
        for (weight, array), turned in product(arrays, (False, True)):
            scale = _scale(held, array.T if turned else array)
            if scale is not None:
                found[tensor.name] = {**asdict(weight), "turned": turned, "scale": scale}
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(held), tensor.name))
                break
    return gzip.compress(model.SerializeToString(), 6), found


def _scale(held: Floats, array: Floats) -> list[float] | None:
    """What the rows of an array are to be multiplied with to give another; None where nothing is.

    Empty where they are equal.
    """
    if held.shape != array.shape:
        return None
    if np.array_equal(held, array):
        return []
    rows, theirs = (one.reshape(len(one), -1).astype(np.float64) for one in (array, held))
    scale = (rows * theirs).sum(1) / (rows * rows).sum(1)
    distance = float(np.linalg.norm(rows * scale[:, None] - theirs))
    if distance > _ROUNDING * float(np.linalg.norm(theirs)):
        return None
    return [float(f"{one:.7g}") for one in scale]


def unpack_onnx(packed: bytes, drawn: Mapping[str, Any]) -> onnx.ModelProto:
    """The model that `pack_onnx` packed.

    Args:
        packed: The file.
        drawn: What was left out.
    """
    model = onnx.load_from_string(gzip.decompress(packed))
    for tensor in model.graph.initializer:
        if tensor.name in drawn:
            how = drawn[tensor.name]
            array = Weight.of(how).array()
            whole = np.ascontiguousarray(array.T if how["turned"] else array)
            if how["scale"]:
                scale = np.asarray(how["scale"], np.float32)
                whole = whole * scale.reshape(-1, *[1] * (whole.ndim - 1))
            tensor.CopyFrom(numpy_helper.from_array(whole, tensor.name))
    return model


def pack_program(program: Any, weights: Iterable[Weight]) -> bytes:
    """Packs an exported program of PyTorch without the weights that can be drawn again.

    Args:
        program: A torch.export.ExportedProgram; it loses them.
        weights: Those of its module.
    """
    import torch

    for weight in weights:
        # Fresh storage: the module that was exported keeps its own.
        empty = torch.nn.Parameter(torch.zeros(weight.shape))
        program.state_dict[weight.name] = empty
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return gzip.compress(buffer.getvalue(), 6)


def unpack_program(packed: bytes, weights: Iterable[Weight]) -> Any:
    """The program that `pack_program` packed.

    Args:
        packed: The file, written by somebody trusted: PyTorch may run code that it holds.
        weights: Those of its module.
    """
    import torch

    program: Any = torch.export.load(io.BytesIO(gzip.decompress(packed)))
    with torch.no_grad():
        for weight in weights:
            program.state_dict[weight.name].copy_(torch.from_numpy(weight.array()))
    return program
