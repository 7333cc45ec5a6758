"""The networks of the MNIST family of data sets.

Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998; LeNet-5 in
the form in which the pruning literature uses it (20 and 50 filters, 500 hidden units, ReLU).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class LeNet300(nn.Module):
    """Two hidden layers, 300 and 100 units wide.

    Args:
        classes: Width of the output.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, 1, 28, 28)`` to logits ``(N, classes)``."""
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


class LeNet5(nn.Module):
    """Two convolutions and a hidden layer.

    Args:
        classes: Width of the output.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(N, 1, 28, 28)`` to logits ``(N, classes)``."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))
