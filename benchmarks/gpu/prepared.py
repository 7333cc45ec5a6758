"""The networks and their narrowed widths, in a folder that a machine without PyTorch can read."""

from __future__ import annotations

import gzip
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from benchmarks.gpu import drawn
from graphprune import Plan, apply, prune
from graphprune.errors import GraphpruneError

NETWORKS = ("resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny")
ROUNDINGS = (8, 32, 1)
BATCHES = (64, 8, 1)
MACS = 0.5
IMAGE = "x"
"""The input's name, in torchvision's modules and in what is exported from them."""

_PIXELS = 224
_LAYER_SCALE = 0.1
_NOTES = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """One network in its folder.

    Attributes:
        folder: Its own.
    """

    folder: Path

    @cached_property
    def notes(self) -> dict[str, Any]:
        """What was done, and what has to be drawn again; empty where nothing was prepared."""
        path = self.folder / _NOTES
        found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return found

    def lacks(self, batches: Sequence[int], roundings: Sequence[int]) -> bool:
        """Whether a batch size or a rounding was not prepared."""
        wanted = {*map(str, batches)}, {*map(str, roundings)}
        held = self.notes.get("onnx", {}), self.notes.get("roundings", {})
        return any(
            not some <= some_held.keys() for some, some_held in zip(wanted, held, strict=True)
        )

    def onnx(self, batch: int) -> onnx.ModelProto:
        """The original network as an ONNX model of a fixed batch size."""
        packed = (self.folder / f"batch-{batch}.onnx.gz").read_bytes()
        return drawn.unpack_onnx(packed, self.notes["onnx"][str(batch)])

    def program(self, batch: int) -> Any:
        """The same as an exported program of PyTorch."""
        packed = (self.folder / f"batch-{batch}.pt2.gz").read_bytes()
        return drawn.unpack_program(packed, map(drawn.Weight.of, self.notes["weights"]))

    def narrowed(self, original: Any, batch: int, rounding: int) -> Any:
        """The network at half its MACs.

        Args:
            original: What `onnx` or `program` gave.
            batch: Its batch size.
            rounding: What its widths are multiples of.

        Raises:
            PlanMismatch: The plan is of another network.
        """
        packed = (self.folder / f"round-{rounding}.plan.json.gz").read_bytes()
        plan = Plan.from_json(gzip.decompress(packed).decode())
        if isinstance(original, onnx.ModelProto):
            return apply(original, plan, run=False).model
        import torch

        return apply(original, plan, torch.zeros(shape(batch)), run=False).model


def shape(batch: int) -> tuple[int, int, int, int]:
    """The shape of a batch of images."""
    return batch, 3, _PIXELS, _PIXELS


def prepare(name: str, folder: Path, batches: Sequence[int], roundings: Sequence[int]) -> Prepared:
    """Builds, exports and prunes a network; needs PyTorch, torchvision and onnxscript, no GPU.

    Args:
        name: One of `NETWORKS`.
        folder: Its own.
        batches: Batch sizes to export it for.
        roundings: What widths are multiples of.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    (folder / _NOTES).unlink(missing_ok=True)
    module, weights = _module(name)
    notes: dict[str, Any] = {
        "network": name,
        "versions": _versions(),
        "weights": [asdict(weight) for weight in weights],
        "roundings": {str(one): _pruned(module, folder, one) for one in roundings},
        "onnx": {},
    }
    for batch in batches:
        program = torch.export.export(module, (torch.zeros(shape(batch)),))
        exported = torch.onnx.export(program, dynamo=True, opset_version=18, verbose=False)
        packed, left_out = drawn.pack_onnx(_readable(exported.model_proto), weights)
        (folder / f"batch-{batch}.onnx.gz").write_bytes(packed)
        (folder / f"batch-{batch}.pt2.gz").write_bytes(drawn.pack_program(program, weights))
        notes["onnx"][str(batch)] = left_out
    # Last, so that a folder that has it is whole.
    (folder / _NOTES).write_text(json.dumps(notes) + "\n", encoding="utf-8")
    return Prepared(folder)


def _module(name: str) -> tuple[Any, list[drawn.Weight]]:
    """A network whose activations keep their size from layer to layer, and what was drawn.

    Fresh weights let images die away, or what 16 bits round off grow, until no output can be
    compared. Norms that divide by the root of the mean square, and subtract nothing, do neither.
    """
    import torch
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None).eval()
    weights = list(drawn.draw(module))
    norms = [one for one in module.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            if key.endswith("layer_scale"):  # 1e-6 when fresh: the blocks would do nothing
                parameter.fill_(_LAYER_SCALE)
        hooks = [norm.register_forward_pre_hook(_settle) for norm in norms]
        module(torch.randn(shape(4)))
    for hook in hooks:
        hook.remove()
    return module, weights


def _settle(norm: Any, arguments: tuple[Any, ...]) -> None:
    norm.running_mean.zero_()
    norm.running_var.copy_(arguments[0].square().mean((0, 2, 3)).clamp(min=1e-3))


def _readable(model: onnx.ModelProto) -> onnx.ModelProto:
    """Puts a model of opset 18 into 17, the newest that TensorRT 8.5 reads.

    What differs are means, whose axes became an input: here all are over the pixels.

    Raises:
        ValueError: Something else differs.
    """
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "ReduceMean":
            axes = numpy_helper.to_array(held[node.input[1]])
            kept = all(one.i == 1 for one in node.attribute if one.name == "keepdims")
            if not kept or sorted(axes % len(shape(1))) != [2, 3]:
                raise ValueError(f"{node.name} is no mean over the pixels")
            node.op_type = "GlobalAveragePool"
            del node.input[1:], node.attribute[:]
        since = [onnx.defs.get_schema(node.op_type, one).since_version for one in (17, 18)]
        if len(set(since)) > 1:
            raise ValueError(f"{node.name} is no operation of opset 17")
    model.opset_import[0].version = 17
    return model


def _pruned(module: Any, folder: Path, rounding: int) -> dict[str, Any]:
    """Prunes to half the MACs, proves and keeps the plan; or says why that cannot be."""
    import torch

    try:
        result = prune(module, torch.randn(shape(1)), macs=MACS, round_to=rounding)
    except GraphpruneError as error:
        return {"failed": " ".join(str(error).split())}
    if not result.proof.ok:
        return {"failed": "the narrowed network is not what the plan says: its proof failed"}
    path = folder / f"round-{rounding}.plan.json.gz"
    path.write_bytes(gzip.compress(result.plan.to_json().encode(), 6))
    before, after = result.cost
    return {
        "macs": [before.macs, after.macs],
        "params": [before.params, after.params],
        "notes": list(result.notes),
    }


def _versions() -> str:
    names = ("torch", "torchvision", "onnxscript")
    found = [f"Python {platform.python_version()}"]
    return ", ".join([*found, *(f"{name} {metadata.version(name)}" for name in names)])
