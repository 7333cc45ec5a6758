"""What torch-pruning makes of one module: lines of JSON, as on our side.

Half of the channels go by its MagnitudePruner, set as its documentation says: the classifier is
ignored, attention gets the number of heads of its qkv layer.
"""

from __future__ import annotations

import argparse
import logging
import resource
import time
import warnings
from typing import Any

import torch
import torch_pruning
import torchvision

from benchmarks.zoo.modules.architectures import Architecture, architectures
from benchmarks.zoo.modules.ours import CHANNELS, attempt, report, train


def options(module: torch.nn.Module) -> dict[str, Any]:
    """Classifiers stay; projections and heads of attention are named where they can be found."""
    heads: dict[torch.nn.Module, int] = {}
    ignored: list[torch.nn.Module] = []
    found: dict[str, Any] = {"ignored_layers": ignored, "num_heads": heads}
    projection = torch.nn.modules.linear.NonDynamicallyQuantizableLinear
    for part in module.modules():
        classifier = isinstance(part, torch.nn.Linear) and part.out_features in (400, 1000)
        if classifier or isinstance(part, projection):
            ignored.append(part)
        elif isinstance(part, torch.nn.MultiheadAttention):
            found["round_to"] = part.num_heads
        elif hasattr(part, "qkv") and hasattr(part, "num_heads"):
            heads[part.qkv] = part.num_heads
    return found


def respell(pruner: Any, module: torch.nn.Module) -> None:
    """Head counts and widths of attention, set as the tool's own script for timm sets them."""
    for part in module.modules():
        if getattr(part, "qkv", None) in pruner.num_heads and hasattr(part, "head_dim"):
            part.num_heads = pruner.num_heads[part.qkv]
            part.head_dim = part.qkv.out_features // (3 * part.num_heads)
    if isinstance(module, torchvision.models.VisionTransformer):
        # Its forward pass compares with this number; the tool's script sets it, too.
        module.hidden_dim = module.conv_proj.out_channels


def prune(architecture: Architecture) -> None:
    """Prunes a network and prints every stage."""
    module, example = architecture.build(), architecture.example()
    before = sum(p.numel() for p in module.parameters())
    start = time.process_time()
    pruner = torch_pruning.pruner.MagnitudePruner(
        module,
        example,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=1 - CHANNELS,
        **options(module),
    )
    built = time.process_time()
    report(trace=built - start)
    pruner.step()
    report(prune=time.process_time() - built)
    respell(pruner, module)
    report(params=sum(p.numel() for p in module.parameters()) / before)
    report(forward=attempt(lambda: module.eval()(example)))
    report(backward=attempt(lambda: train(module, example)))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("key", help="library/name")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB the process may take")
    given = parser.parse_args()
    limit = int(given.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    wanted = next(a for a in architectures() if a.key == given.key)
    try:
        prune(wanted)
    except Exception as error:  # whatever the other tool raises is its result
        report(refused=f"{type(error).__name__}: {error}".splitlines()[0][:200])


if __name__ == "__main__":
    main()
