"""Layers at given densities: weights, kernels, channels or filters held at zero while they train.

The means to compare granularities at equal layer densities: Cai et al., "Structured Pruning of
CNNs at Initialization", arXiv 2203.02549, claim that the densities of the layers decide, and not
what is removed at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from graphprune.errors import BadData

Granularity = Literal["weight", "kernel", "channel", "filter"]


class Masks:
    """Holds weights of a module at zero, chosen at random by layer and granularity.

    >>> masks = Masks(module, {"conv1.weight": 0.5, "conv2.weight": 0.25}, "filter", seed=0)
    >>> optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    >>> masks.hold(optimizer)
    >>> train(module, optimizer)
    >>> masks.remove()

    Of ``n`` elements a layer keeps ``p n``, rounded half up, and at least one. An element is a
    single ``weight``; a ``kernel``, the weights between one input and one output channel; a
    ``channel``, all weights that read one input channel; a ``filter``, all that make one output
    channel. Biases and norms are left alone.

    Args:
        module: The nn.Module; its weights are zeroed at once.
        densities: The fraction that every layer keeps, above 0 and up to 1, by the name of the
            weight (``conv1.weight``) or of the layer; others stay whole.
        granularity: What is removed at a time.
        seed: Of the choice.

    Attributes:
        kept: Which weights stay, by the name of the weight: booleans of its shape.

    Raises:
        BadData: There is no such weight, granularity or density.
    """

    def __init__(
        self,
        module: Any,
        densities: Mapping[str, float],
        granularity: Granularity = "weight",
        seed: int = 0,
    ) -> None:
        import torch

        if granularity not in get_args(Granularity):
            choices = ", ".join(get_args(Granularity))
            raise BadData(f"there is no granularity '{granularity}'", fix=f"choose of: {choices}")
        self._module = module
        self._hooks: list[Any] = []
        self.kept: dict[str, Any] = {}
        for place, (name, density) in enumerate(densities.items()):
            found, weight, transposed = _weight(module, name)
            if not 0 < density <= 1:
                raise BadData(
                    f"the density of '{name}' cannot be {density}", why="it is above 0, up to 1"
                )
            # A generator of its own: what one layer keeps depends on no other's size.
            generator = torch.Generator().manual_seed((seed << 20) + place)
            kept = _drawn(tuple(weight.shape), density, granularity, transposed, generator)
            self.kept[found] = kept.to(weight.device)
        self.apply()

    @property
    def densities(self) -> dict[str, float]:
        """The fraction of its weights that every layer keeps, after rounding."""
        return {name: float(kept.double().mean()) for name, kept in self.kept.items()}

    def apply(self) -> None:
        """Zero the weights that do not stay."""
        import torch

        with torch.no_grad():
            for name, kept in self.kept.items():
                weight = _weight(self._module, name)[1]
                weight.masked_fill_(~kept.to(weight.device), 0)

    def hold(self, optimizer: Any) -> None:
        """Zero the weights again after every step of an optimizer, until :meth:`remove`.

        Args:
            optimizer: A torch.optim.Optimizer over the module's parameters.
        """
        self._hooks.append(optimizer.register_step_post_hook(lambda *_: self.apply()))

    def remove(self) -> None:
        """Let the weights go; those at zero stay there until they are trained."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()


def _weight(module: Any, name: str) -> tuple[str, Any, bool]:
    """A weight by its own name or its layer's; whether input channels are its first axis."""
    named = dict(module.named_parameters(remove_duplicate=False))
    found = name if name in named else f"{name}.weight".removeprefix(".")
    if found not in named or named[found].dim() < 2:
        shown = ", ".join(key for key, value in named.items() if value.dim() > 1)
        raise BadData(
            f"there is no weight '{name}'",
            why="biases and norms have none" if found in named else "",
            fix=f"the weights are: {shown}",
        )
    layer = module.get_submodule(found.rpartition(".")[0])
    return found, named[found], bool(getattr(layer, "transposed", False))


def _drawn(
    shape: tuple[int, ...],
    density: float,
    granularity: Granularity,
    transposed: bool,
    generator: Any,
) -> Any:
    """Which weights stay."""
    import torch

    out, read = (1, 0) if transposed else (0, 1)
    axes = {
        "weight": tuple(range(len(shape))),
        "kernel": (0, 1),
        "channel": (read,),
        "filter": (out,),
    }[granularity]
    extents = [n if axis in axes else 1 for axis, n in enumerate(shape)]
    count = math.prod(extents)
    keep = max(1, math.floor(density * count + 0.5 + 1e-9))
    kept = torch.zeros(count, dtype=torch.bool)
    kept[torch.randperm(count, generator=generator)[:keep]] = True
    return kept.reshape(extents).expand(shape).contiguous()
