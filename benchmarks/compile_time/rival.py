"""One measurement of torch-pruning on one torchvision network: seconds a stage, as it goes.

A line of JSON is printed after each stage, so that a run that is stopped shows how far it came.
Seconds are the processor's, as on the other side.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from typing import Any

import torch
import torch_pruning
import torchvision
from torch import nn

RATIO = 0.5
SIZES = {"swin_v2_t": 256}  # pixels; every other network takes 224


def build(name: str) -> nn.Module:
    """A network with random weights, in eval mode."""
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).eval()


def options(model: nn.Module) -> dict[str, Any]:
    """What the tool's own torchvision script sets: the classifier stays, heads stay whole.

    Vision transformers get their output projections ignored and widths rounded to the number of
    heads, as there; window attention gets `num_heads`, which the tool's documentation asks for.
    """
    ignored: list[nn.Module] = []
    heads: dict[nn.Module, int] = {}
    found: dict[str, Any] = {"ignored_layers": ignored, "num_heads": heads}
    projection = nn.modules.linear.NonDynamicallyQuantizableLinear
    for module in model.modules():
        classifier = isinstance(module, nn.Linear) and module.out_features == 1000
        if classifier or isinstance(module, projection):
            ignored.append(module)
        elif isinstance(module, nn.MultiheadAttention):
            found["round_to"] = module.num_heads
        elif hasattr(module, "qkv") and hasattr(module, "num_heads"):
            heads[module.qkv] = module.num_heads
        elif hasattr(module, "to_qkv") and hasattr(module, "n_heads"):
            heads[module.to_qkv] = module.n_heads
    return found


def prune(model: nn.Module, image: torch.Tensor) -> None:
    """Prunes a network and prints every stage.

    `forward` is the forward pass that the tool traces, `graph` the rest of the constructor
    (dependency graph and groups), `step` importance and pruning, `wall` the clock's seconds of it
    all. `runs` says whether the pruned network still computes, `kept` which share of the
    parameters is left.
    """
    forward = 0.0

    def traced(network: nn.Module, example: torch.Tensor) -> torch.Tensor:
        nonlocal forward
        start = time.process_time()
        result: torch.Tensor = network(example)
        forward = time.process_time() - start
        return result

    before = sum(p.numel() for p in model.parameters())
    wall, start = time.perf_counter(), time.process_time()
    pruner = torch_pruning.pruner.MagnitudePruner(
        model,
        image,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=RATIO,
        forward_fn=traced,
        **options(model),
    )
    built = time.process_time()
    report(forward=forward, graph=built - start - forward)
    pruner.step()
    report(step=time.process_time() - built, wall=time.perf_counter() - wall)
    report(kept=sum(p.numel() for p in model.parameters()) / before, runs=trial(model, image))


def trial(model: nn.Module, image: torch.Tensor) -> str:
    """Whether the pruned network still computes: "yes", or its error."""
    if isinstance(model, torchvision.models.VisionTransformer):
        # Its forward pass compares with this number; the tool's script sets it, too.
        model.hidden_dim = model.conv_proj.out_channels
    try:
        with torch.no_grad():
            model(image)
    except Exception as error:  # whatever a network that was cut wrongly may raise
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "yes"


def report(**figures: float | str) -> None:
    """Prints one line of JSON."""
    print(json.dumps(figures), flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--memory", type=float, default=14.0, help="GiB the process may take")
    given = parser.parse_args()
    limit = int(given.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    warnings.simplefilter("ignore")
    tiny = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    torch_pruning.pruner.MagnitudePruner(
        tiny,
        torch.randn(1, 3, 8, 8),
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        ignored_layers=[tiny[2]],
    ).step()
    prune(build(given.model), torch.randn(1, 3, *[SIZES.get(given.model, 224)] * 2))


if __name__ == "__main__":
    main()
