"""The networks of the benchmarks by name, and their pretrained weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.images.networks.densenet import DenseNet
from benchmarks.images.networks.lenet import LeNet5, LeNet300
from benchmarks.images.networks.mobilenet import EFFICIENTNET_B0, MOBILENET_V2, InvertedNet
from benchmarks.images.networks.resnet import ResNet
from benchmarks.images.networks.vgg import Vgg16
from benchmarks.images.networks.wide_resnet import WideResNet


@dataclass(frozen=True)
class Entry:
    """A network that can be asked for by name.

    Attributes:
        make: Makes it with fresh weights.
        data: The images it is for.
        shape: Colours, height and width of one.
        pretrained: Pattern of a file with weights; empty where there is none.
    """

    make: Callable[[], nn.Module]
    data: str = "cifar10"
    shape: tuple[int, int, int] = (3, 32, 32)
    pretrained: str = ""


_GREY = ("fashion-mnist", (1, 28, 28))
_INVERTED = {
    "mobilenet_v2": partial(InvertedNet, MOBILENET_V2, nn.ReLU6),
    "efficientnet_b0": partial(InvertedNet, EFFICIENTNET_B0, nn.SiLU, gated=True),
}
NETWORKS: dict[str, Entry] = {
    **{f"resnet{6 * n + 2}": Entry(partial(ResNet, n), pretrained=f"resnet{6 * n + 2}-*.th")
       for n in (3, 5, 7, 9)},
    **{f"resnet{6 * n + 2}-b": Entry(partial(ResNet, n, projection=True)) for n in (3, 5, 7, 9)},
    "vgg16_bn": Entry(Vgg16),
    "densenet22": Entry(DenseNet),
    "wrn16_8": Entry(WideResNet),
    **{name: Entry(make) for name, make in _INVERTED.items()},
    **{f"{name}-grey": Entry(partial(make, colours=1), *_GREY)
       for name, make in _INVERTED.items()},
    "lenet300_100": Entry(LeNet300, *_GREY),
    "lenet5": Entry(LeNet5, *_GREY),
}  # fmt: skip


def build(name: str, seed: int = 0) -> nn.Module:
    """A network with weights that depend on the seed alone.

    Args:
        name: One of :data:`NETWORKS`.
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name].make()


def pretrained(name: str, folder: Path) -> nn.Module | None:
    """A network with the weights found below a folder; None where it has no such file.

    Args:
        name: One of :data:`NETWORKS`.
        folder: Holds the file somewhere.
    """
    pattern = NETWORKS[name].pretrained
    found = sorted(folder.rglob(pattern)) if pattern else []
    if not found:
        return None
    network = build(name)
    states = torch.load(found[0], map_location="cpu", weights_only=True)["state_dict"]
    # Written from a DataParallel, which prefixes all names.
    network.load_state_dict({name.removeprefix("module."): value for name, value in states.items()})
    return network.eval()
