"""Export torchvision networks with random, seeded weights to ONNX.

Pruning is decided by structure, so these files need the graphs that real exporters write, not
trained weights. Every constant parameter is randomised: with fresh weights alone (unit scales,
zero biases, a zeroed ViT head) a wrong cut could leave the outputs unchanged and go unseen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Small first: a usable set is on disk early, and the giants come last.
_NAMES = (
    "resnet18 mobilenet_v2 shufflenet_v2_x1_0 densenet121 googlenet squeezenet1_1 convnext_tiny "
    "vit_b_16 swin_t maxvit_t resnet50 regnet_y_400mf efficientnet_b0 mobilenet_v3_large "
    "resnext50_32x4d inception_v3 alexnet vgg11_bn regnet_x_400mf shufflenet_v2_x0_5 mnasnet1_0 "
    "mobilenet_v3_small efficientnet_v2_s wide_resnet50_2 swin_v2_t fcn_resnet50 "
    "deeplabv3_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large resnet50_fpn "
    "vgg16_bn densenet201 efficientnet_b7 convnext_large vit_l_16"
)
NAMES = _NAMES.split()
_LEGACY = (
    "alexnet vgg11_bn resnet18 resnext50_32x4d densenet121 googlenet squeezenet1_1 "
    "shufflenet_v2_x1_0 mobilenet_v2 mobilenet_v3_large efficientnet_b0 convnext_tiny vit_b_16 "
    "swin_t regnet_y_400mf inception_v3"
)
LEGACY = frozenset(_LEGACY.split())
DYNAMO_BATCH = frozenset({"resnet18", "shufflenet_v2_x1_0", "vit_b_16"})
LEGACY_BATCH = DYNAMO_BATCH | {"swin_t"}
SEGMENTATION = ("fcn_", "deeplabv3_", "lraspp_")
DICTIONARY = (*SEGMENTATION, "resnet50_fpn")  # these return a dictionary of outputs
SIZES = {"inception_v3": 299, "swin_v2_t": 256}  # pixels; every other network takes 224
SESSION_LIMIT = 500_000_000  # bytes; above it, opening the file costs more than it tells


@dataclass(frozen=True)
class Job:
    """One file to write.

    Attributes:
        model: A torchvision model name, or `resnet50_fpn`.
        exporter: The file's middle name: `dynamo`, `dynamo-batch`, `legacy` or `legacy13`.
        dynamic: Whether the batch dimension is symbolic.
        opset: The opset to ask for; None leaves it to the exporter.
    """

    model: str
    exporter: str
    dynamic: bool = False
    opset: int | None = None

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.model}.{self.exporter}.onnx"


def jobs(exporter: str = "both", only: Collection[str] = ()) -> list[Job]:
    """Lists the files to write, small networks first; an empty `only` means every model."""
    found: list[Job] = []
    for name in (name for name in NAMES if not only or name in only):
        if exporter != "legacy":
            found.append(Job(name, "dynamo"))
            if name in DYNAMO_BATCH:
                found.append(Job(name, "dynamo-batch", dynamic=True))
        if exporter != "dynamo" and name in LEGACY:
            found.append(Job(name, "legacy", name in LEGACY_BATCH, opset=17))
            if name == "convnext_tiny":
                # LayerNormalization came with opset 17: below it, layer norms are decomposed.
                found.append(Job(name, "legacy13", opset=13))
    return found


def build(name: str) -> Any:
    """Builds a network in eval mode whose weights depend on nothing but its name.

    Returns:
        A module from one float32 [N, 3, H, W] image batch to a tensor or a tuple of tensors.
    """
    import torch
    import torchvision

    class Flat(torch.nn.Module):
        """Turns a dictionary of outputs into a tuple, which every exporter can name."""

        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, image: torch.Tensor) -> Any:
            return tuple(self.inner(image).values())

    torch.manual_seed(0)
    more: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        more = {"aux_logits": False, "init_weights": False}
    elif name.startswith(SEGMENTATION):
        more = {"weights_backbone": None}
    if name == "resnet50_fpn":
        backbones = torchvision.models.detection.backbone_utils
        model = backbones.resnet_fpn_backbone(backbone_name="resnet50", weights=None)
    else:
        model = torchvision.models.get_model(name, weights=None, **more)
    model.eval()
    with torch.no_grad():
        randomise(model)
        settle(model, SIZES.get(name, 224))
    return Flat(model).eval() if name.startswith(DICTIONARY) else model


def randomise(model: Any) -> None:
    """Draws, in place, every norm's affine and statistics, layer scales, and all-zero parameters.

    Norms get weight U(0.5, 1.5), bias N(0, 0.1), variance U(0.5, 1.5) and mean N(0, 0.1).
    """
    import torch
    from torchvision.ops import FrozenBatchNorm2d

    for module in model.modules():
        if not isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm | FrozenBatchNorm2d):
            continue
        for key in ("weight", "running_var"):
            if getattr(module, key, None) is not None:
                getattr(module, key).uniform_(0.5, 1.5)
        for key in ("bias", "running_mean"):
            if getattr(module, key, None) is not None:
                getattr(module, key).normal_(0.0, 0.1)
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            parameter.uniform_(0.5, 1.5)
        elif not parameter.any():
            parameter.normal_(0.0, 0.1 if parameter.ndim == 1 else 0.02)


def settle(model: Any, size: int) -> None:
    """Scales each batch norm's drawn statistics by what it sees on four noise images.

    Statistics that ignore the weights let the image die away (it moved MobileNetV2's outputs by
    1e-7), and then a wrong cut in an early layer cannot be seen at the outputs.
    """
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    if not norms:
        return
    drawn = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0  # the running statistics become the batch's
    model(torch.randn(4, 3, size, size))
    for norm, (mean, var), momentum in zip(norms, drawn, momenta, strict=True):
        norm.eval().momentum = momentum
        norm.running_var.clamp_(min=1e-3)
        norm.running_mean.add_(mean * norm.running_var.sqrt())
        norm.running_var.mul_(var)


def export(job: Job, path: Path) -> None:
    """Writes one job's network to `path`, weights inside the file."""
    import torch

    size = SIZES.get(job.model, 224)
    model = build(job.model)
    # A batch of 1 would be specialised to a constant by torch.export.
    image = torch.randn(2 if job.dynamic else 1, 3, size, size)
    more: dict[str, Any] = {"dynamo": job.exporter.startswith("dynamo")}
    if more["dynamo"]:
        more["external_data"] = False
        if job.dynamic:
            more["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif job.dynamic:
        more["dynamic_axes"] = {"image": {0: "batch"}, "output": {0: "batch"}}
    if not job.model.startswith(DICTIONARY):
        more["output_names"] = ["output"]
    more.update(input_names=["image"], opset_version=job.opset)
    torch.onnx.export(model, (image,), path, **more)


def check(path: Path, job: Job) -> str:
    """Opens a file in onnxruntime on the CPU, and runs it on two images.

    Returns:
        How far the outputs move between the images, relative to their largest value.

    Raises:
        ValueError: An output is not finite or hardly moves: such a network cannot tell a right
            cut from a wrong one.
    """
    import numpy as np
    import onnxruntime as ort

    if path.stat().st_size >= SESSION_LIMIT:
        return "not opened, large"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batch = 3 if job.dynamic else 1  # not the exported 2: a frozen batch would show
    shape = (2, batch, 3, *[SIZES.get(job.model, 224)] * 2)
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    ones, twos = (session.run(None, {"image": image}) for image in images)
    moves = [np.ptp(one - two) / np.abs(one).max() for one, two in zip(ones, twos, strict=True)]
    note = "moves " + " ".join(f"{move:.2g}" for move in moves)
    if not all(move > 1e-3 for move in moves):
        raise ValueError(f"an output is not finite or hardly depends on the image: {note}")
    return note


def work(job: Job, out: Path) -> None:
    """Exports and checks one job in this process; the file appears only when it is whole."""
    import torch

    torch.set_num_threads(1)
    part = out / f"{job.file}.part"
    try:
        export(job, part)
        note = check(part, job)
        part.replace(out / job.file)
    finally:
        part.unlink(missing_ok=True)
    print(note)


def spawn(job: Job, out: Path, limit: float) -> tuple[str, str]:
    """Runs one job in a process of its own, so that its memory goes back and it can be stopped.

    The job is given up after `limit` seconds.

    Returns:
        A note for the progress line, and the reason of a failure ("" when there is none).
    """
    command = [sys.executable, __file__, "--out", str(out), "--worker", job.file]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        (out / f"{job.file}.part").unlink(missing_ok=True)
        return "", f"gave up after {limit:.0f} s"
    if done.returncode == 0:
        return done.stdout.strip().splitlines()[-1], ""
    return "", done.stderr.strip()[-2000:] or f"exit status {done.returncode}"


def run(todo: list[Job], out: Path, limit: float) -> Mapping[str, str]:
    """Runs the jobs one at a time, and keeps `failed.json` up to date after each.

    Returns:
        The reason of every failure so far, by file name; a later success clears its entry.
    """
    record = out / "failed.json"
    failed: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for number, job in enumerate(todo, 1):
        head = f"[{number}/{len(todo)}] {job.file}:"
        if (out / job.file).exists():
            print(head, "exists", flush=True)
            continue
        start = time.perf_counter()
        note, reason = spawn(job, out, limit)
        failed.pop(job.file, None)
        if reason:
            failed[job.file] = reason
            note = "FAILED, " + reason.splitlines()[-1][:160]
        else:
            note = f"{(out / job.file).stat().st_size / 1e6:.1f} MB, {note}"
        record.write_text(json.dumps(failed, indent=1) + "\n")
        print(head, note, f"({time.perf_counter() - start:.0f} s)", flush=True)
    return failed


def main() -> int:
    """Reads the command line; returns 1 when a file of this call could not be written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("zoo"), help="folder to write into")
    parser.add_argument("--exporter", choices=("dynamo", "legacy", "both"), default="both")
    parser.add_argument("--only", nargs="+", default=[], choices=NAMES, metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the file names and stop")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds a file may take")
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    todo = jobs(given.exporter, given.only)
    if given.list:
        print(*(job.file for job in todo), sep="\n")
    elif given.worker:
        work(next(job for job in todo if job.file == given.worker), given.out)
    else:
        given.out.mkdir(parents=True, exist_ok=True)
        failed = run(todo, given.out, given.limit)
        return int(any(job.file in failed for job in todo))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
