"""Small images to train and test on: CIFAR-10 and Fashion-MNIST, held in memory as tensors.

What lies in the folder may be packs (zip files that hold sheets of images, `labels.npy` and
`meta.json`) or what torchvision's data sets write.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

VARIABLE = "GRAPHPRUNE_DATA"
_SHEET = 1000
"""Images on one sheet of a pack."""


@dataclass(frozen=True)
class Source:
    """Where a data set is found, and how its pixels are normalised.

    Attributes:
        packs: Patterns of the pack files, by split.
        torchvision: Its class in torchvision.datasets.
        mean: Of the pixels between 0 and 1, one a colour.
        deviation: Their standard deviation.
        border: Pixels of the border from which crops are taken.
    """

    packs: dict[str, str]
    torchvision: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    border: int


SOURCES = {
    # Mean and deviation are ImageNet's, which the pretrained networks expect.
    "cifar10": Source(
        {"train": "cifar10_train_part*.zip", "test": "cifar10_test_*.zip"},
        "CIFAR10",
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        4,
    ),
    "fashion-mnist": Source(
        {"train": "fashion_mnist_train_part*.zip", "test": "fashion_mnist_test_*.zip"},
        "FashionMNIST",
        (0.286,),
        (0.353,),
        2,
    ),
}


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their classes.

    Attributes:
        pixels: uint8 ``(images, colours, height, width)``.
        labels: int64 ``(images,)``.
        source: Says how to normalise them.
        shrink: Each normalised image is the average over squares of this many pixels a side.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    source: Source
    shrink: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Images:
        """The first images; all of them for None."""
        return replace(self, pixels=self.pixels[:count], labels=self.labels[:count])

    def to(self, device: str) -> Images:
        """The same images on another device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Colours, height and width of a normalised image."""
        colours, height, width = self.pixels.shape[1:]
        return colours, height // self.shrink, width // self.shrink

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels as a network reads them: float32, shrunk, with mean 0 and deviation 1."""
        images = pixels.float() / 255
        if self.shrink > 1:
            images = torch.nn.functional.avg_pool2d(images, self.shrink)
        mean, deviation = (
            torch.tensor(numbers, device=pixels.device).reshape(1, -1, 1, 1)
            for numbers in (self.source.mean, self.source.deviation)
        )
        return (images - mean) / deviation

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All images in order: ``(inputs, labels)``."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.normalised(self.pixels[part]), self.labels[part]

    def shuffled(
        self, size: int, seed: int, epoch: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One epoch of randomly cropped and flipped images, ``(inputs, labels)``.

        The draws depend on the seed and the number of the epoch alone, not on earlier epochs or
        the device, so that training can be taken up between epochs.
        """
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(self), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            at = order[start : start + size].to(self.pixels.device)
            pixels = augmented(self.pixels[at], self.source.border, generator)
            yield self.normalised(pixels), self.labels[at]


def augmented(pixels: torch.Tensor, border: int, generator: torch.Generator) -> torch.Tensor:
    """Every image cropped at a place of its own out of a black border, every other one mirrored.

    Args:
        pixels: ``(images, colours, height, width)``.
        border: Pixels added on each side.
        generator: Draws places and mirrors; on the CPU.
    """
    count, _, height, width = pixels.shape
    framed = torch.nn.functional.pad(pixels, (border,) * 4)
    top, left = torch.randint(0, 2 * border + 1, (2, count, 1), generator=generator)
    mirror = torch.randint(0, 2, (count, 1), generator=generator).bool()
    rows, columns = top + torch.arange(height), torch.arange(width).expand(count, -1)
    columns = left + torch.where(mirror, width - 1 - columns, columns)
    at = torch.arange(count)[:, None, None]
    rows, columns = rows[:, :, None].to(pixels.device), columns[:, None, :].to(pixels.device)
    return framed[at.to(pixels.device), :, rows, columns].permute(0, 3, 1, 2).contiguous()


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds --data to a command."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help=f"folder with the images; default: ${VARIABLE}"
    )


def folder_of(given: Path | None) -> Path:
    """The folder with the images: the given one, or that of the environment variable.

    Raises:
        SystemExit: There is none.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None or not named.is_dir():
        said = f"'{named}' is no folder" if named else "no folder was named"
        raise SystemExit(
            f"{said}: give --data DIR or set {VARIABLE} to a folder that holds what torchvision "
            "downloads (cifar-10-batches-py/ or FashionMNIST/raw/), and pretrained networks such "
            "as resnet20-12fca82f.th from github.com/akamaster/pytorch_resnet_cifar10"
        )
    return named


def load(
    name: str, split: str, folder: Path, *, count: int | None = None, shrink: int = 1
) -> Images:
    """Reads a data set.

    Args:
        name: One of :data:`SOURCES`.
        split: ``train`` or ``test``.
        folder: Holds packs, or what torchvision downloads.
        count: How many of its images; all where left out.
        shrink: See :class:`Images`.

    Raises:
        SystemExit: It is not there.
    """
    source = SOURCES[name]
    packs = sorted(folder.glob(source.packs[split]))
    if packs:
        pixels, labels = _packed(packs, count)
    else:
        pixels, labels = _downloaded(source.torchvision, split, folder)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    tensor = torch.from_numpy(np.ascontiguousarray(pixels[:count].transpose(0, 3, 1, 2)))
    return Images(tensor, torch.from_numpy(labels[:count].astype(np.int64)), source, shrink)


def _packed(packs: list[Path], count: int | None) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """The images of packs, one after another, until there are enough."""
    found: list[tuple[NDArray[np.uint8], NDArray[np.integer]]] = []
    for path in packs:
        left = None if count is None else count - sum(len(labels) for _, labels in found)
        if left is None or left > 0:
            found.append(_pack(path, left))
    pixels, labels = zip(*found, strict=True)
    return np.concatenate(pixels), np.concatenate(labels)


def _pack(path: Path, count: int | None) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """The first images of a pack; the whole of it is held against its checksum."""
    from PIL import Image

    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("meta.json"))
        labels = np.load(io.BytesIO(archive.read("labels.npy")))
        wanted = min(count or about["n"], about["n"])
        names = sorted(name for name in archive.namelist() if name.startswith("sheet"))
        (height, width), rows, columns = about["hw"], about["rows"], about["cols"]
        parts = []
        for name in names[: -(-wanted // _SHEET)]:
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                sheet = np.asarray(picture.convert("RGB"))
            tiles = sheet.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
            parts.append(tiles.reshape(-1, height, width, 3)[..., : about["channels"]])
    pixels = np.ascontiguousarray(np.concatenate(parts)[:wanted])
    if (
        wanted == about["n"]
        and hashlib.sha256(pixels.tobytes()).hexdigest() != (about["pixels_sha256"])
    ):
        raise SystemExit(f"{path} is damaged: its pixels do not have the checksum it states")
    return pixels, labels[:wanted]


def _downloaded(
    name: str, split: str, folder: Path
) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """A data set in torchvision's layout."""
    try:
        from torchvision import datasets
    except ImportError as error:
        raise SystemExit(f"{folder} holds no packs, and torchvision is not installed") from error
    try:
        found = getattr(datasets, name)(folder, train=split == "train", download=False)
    except RuntimeError as error:
        raise SystemExit(
            f"{folder} holds no {name}: let torchvision download it, "
            f"torchvision.datasets.{name}({str(folder)!r}, download=True)"
        ) from error
    return np.asarray(found.data, dtype=np.uint8), np.asarray(found.targets)
