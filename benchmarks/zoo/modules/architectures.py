"""The networks of the module zoo: torchvision's, and one of each of timm's families."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FAMILIES = Path(__file__).parent / "timm.json"
SEGMENTATION = ("fcn_", "deeplabv3_", "lraspp_")
BATCH = 2


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        library: ``torchvision`` or ``timm``.
        name: Its name there.
        shape: Of the input, without the batch.
        options: Arguments of the constructor.
    """

    library: str
    name: str
    shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Unique over both libraries."""
        return f"{self.library}/{self.name}"

    def example(self) -> Any:
        """A batch of noise."""
        import torch

        torch.manual_seed(1)
        return torch.randn(BATCH, *self.shape)

    def build(self) -> Any:
        """The network in evaluation mode, its weights drawn so that every channel matters."""
        import torch

        torch.manual_seed(0)
        module = _BUILDERS[self.library](self).eval()
        with torch.no_grad():
            randomise(module)
        return module


def _torchvision(architecture: Architecture) -> Any:
    import torchvision

    more: dict[str, Any] = {"weights": None, **architecture.options}
    if architecture.name.startswith(SEGMENTATION):
        more["weights_backbone"] = None
    if architecture.name in ("googlenet", "inception_v3"):
        more |= {"aux_logits": False, "init_weights": False}
    return torchvision.models.get_model(architecture.name, **more)


def _timm(architecture: Architecture) -> Any:
    import timm

    return timm.create_model(architecture.name, pretrained=False, **architecture.options)


_BUILDERS: Mapping[str, Callable[[Architecture], Any]] = {
    "timm": _timm,
    "torchvision": _torchvision,
}


def randomise(module: Any) -> None:
    """Draw constant parameters and statistics, in place.

    With fresh weights alone (unit scales, zero biases, layer scales of 1e-6) a wrong cut could
    leave the outputs unchanged and go unseen.
    """
    import torch

    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            buffer.normal_(0.0, 0.1)
    for parameter in module.parameters():
        if parameter.numel() == 0 or not torch.is_floating_point(parameter):
            continue
        if bool((parameter == parameter.flatten()[0]).all()) or parameter.abs().max() < 1e-3:
            if parameter.flatten()[0] > 0.5:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0.0, 0.1)


def _image(name: str) -> tuple[int, ...]:
    """The smallest input a torchvision network is at home with."""
    if name.startswith(("vit_", "maxvit_")):
        return (3, 224, 224)
    if name == "inception_v3":
        return (3, 128, 128)
    return (3, 64, 64) if name.startswith(SEGMENTATION) else (3, 96, 96)


_VIDEO = {"mvit": (3, 16, 224, 224), "s3d": (3, 16, 224, 224), "swin3d": (3, 8, 64, 64)}


def _clip(name: str) -> tuple[int, ...]:
    return next((s for prefix, s in _VIDEO.items() if name.startswith(prefix)), (3, 8, 56, 56))


@cache
def torchvision_architectures() -> tuple[Architecture, ...]:
    """Every classification, segmentation and video network; of giants only the smallest size."""
    import torchvision

    models = torchvision.models
    found = [
        Architecture("torchvision", name, _image(name))
        for part in (models, models.segmentation)
        for name in models.list_models(module=part)
    ]
    found += [
        Architecture("torchvision", name, _clip(name))
        for name in models.list_models(module=models.video)
    ]
    return tuple(found)


@cache
def timm_architectures() -> tuple[Architecture, ...]:
    """One network of each family of timm, small ones where there is a choice."""
    listed = json.loads(FAMILIES.read_text(encoding="utf-8"))
    return tuple(
        Architecture("timm", entry["name"], tuple(entry["shape"]), entry.get("options", {}))
        for entry in listed
    )


def architectures() -> tuple[Architecture, ...]:
    """The whole zoo."""
    return timm_architectures() + torchvision_architectures()
