"""How well a network classifies, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.images.data import Images


def accuracy(network: nn.Module, images: Images, batch: int = 250) -> float:
    """The percentage of images whose class gets the largest output.

    Args:
        network: In any mode, which it is left in; its weights may be laid out anew.
        images: On any device.
        batch: Images at a time.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval().to(memory_format=torch.channels_last)
    right = 0
    with torch.inference_mode():
        for inputs, labels in images.batches(batch):
            inputs = inputs.to(device, memory_format=torch.channels_last)
            right += int((network(inputs).argmax(1).cpu() == labels.cpu()).sum())
    network.train(training)
    return 100 * right / len(images)


def macs(network: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of one image, as PyTorch counts them when the network runs.

    An independent count: graphprune's own comes from the graph and the widths.

    Args:
        network: In any mode, which it is left in.
        shape: Colours, height and width of an image.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape, device=device))
    network.train(training)
    return int(counter.get_total_flops()) // 2


def parameters(network: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in network.parameters())
