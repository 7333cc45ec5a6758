"""What a layer multiplies by what, as matrices, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphprune.groups import Ids
from graphprune.ir import Node
from graphprune.ir.shapes import letters
from graphprune.passes.score.readers import Reader

Array = NDArray[Any]

# Elements of one piece: a few megabytes, however large the images are.
_PIECE = 1 << 19


class Pieces(NamedTuple):
    """One matrix product: ``weights @ inputs``, the inputs in pieces.

    Attributes:
        weights: ``(O, E)``.
        inputs: Pieces ``(E, P)`` that are unfolded when they are asked for.
        ids: The unit of every element, ``(E,)``.
    """

    weights: Array
    inputs: Iterator[Array]
    ids: Ids


def unfold(reader: Reader, channels: Array, weights: Array) -> Iterator[Pieces]:
    """The matrix products that a layer consists of.

    A grouped convolution is one for every group, a batched product one for every batch index.

    Args:
        reader: The layer.
        channels: Contents of the operand that holds the channels.
        weights: Contents of the other one.
    """
    if reader.node.family == "contract":
        yield from _contraction(reader, channels, weights)
        return
    line = np.broadcast_to(reader.ids, (1, channels.shape[1], *reader.ids.shape[2:]))
    line = line.reshape(channels.shape[1], -1)[:, 0]
    if reader.node.family == "conv_transpose":
        yield _transposed(reader.node, channels, weights, line)
        return
    spatial = len(weights.shape) - 2
    window = _Window.of(reader.node, weights.shape[2:], spatial)
    groups, columns = reader.node.int("groups", 1), weights.shape[1]
    for i, filters in enumerate(np.split(weights, groups)):
        part = slice(i * columns, (i + 1) * columns)
        ids = np.repeat(line[part], prod(weights.shape[2:]))
        flat = filters.reshape(len(filters), -1)
        yield Pieces(flat, _patches(channels[:, part], window, len(flat)), ids)


class _Window(NamedTuple):
    """How a filter slides: one entry a spatial axis, twice as many pads."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    @classmethod
    def of(cls, node: Node, kernel: Sequence[int], spatial: int) -> _Window:
        ones = (1,) * spatial
        strides, dilations = node.ints("strides") or ones, node.ints("dilations") or ones
        return cls(tuple(kernel), strides, dilations, node.ints("pads") or (0,) * (2 * spatial))


def _patches(images: Array, window: _Window, filters: int) -> Iterator[Array]:
    """The unfolded images, ``(C * taps, P)``, in boxes of neighbouring positions."""
    spatial, taps = len(window.kernel), prod(window.kernel)
    rows = images.shape[1] * taps
    room = max(1, _PIECE // max(1, rows, filters))
    counts = [
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, before, after, d, k, s in zip(
            images.shape[2:], window.pads[:spatial], window.pads[spatial:],
            window.dilations, window.kernel, window.strides, strict=True,
        )
    ]  # fmt: skip
    box: list[int] = []
    for count in reversed(counts):
        box.insert(0, min(count, max(1, room // prod(box))))
    several = max(1, room // prod(counts))
    border = [(0, 0), (0, 0), *zip(window.pads, window.pads[spatial:], strict=False)]
    for first in range(0, len(images), several):
        padded = _padded(images[first : first + several], border)
        for corner in product(*(range(0, n, b) for n, b in zip(counts, box, strict=True))):
            sizes = [min(b, n - lo) for b, n, lo in zip(box, counts, corner, strict=True)]
            yield _box(padded, window, corner, sizes)


def _padded(images: Array, border: Sequence[tuple[int, int]]) -> Array:
    """With zeros around; negative borders are cut off."""
    cut = tuple(
        slice(max(0, -low), n - max(0, -high))
        for n, (low, high) in zip(images.shape, border, strict=True)
    )
    return np.pad(images[cut], [(max(0, low), max(0, high)) for low, high in border])


def _box(padded: Array, window: _Window, corner: Sequence[int], sizes: Sequence[int]) -> Array:
    """The patches of some positions in some images, ``(C * taps, images * positions)``."""
    count, channels = padded.shape[:2]
    laid = np.empty((channels, prod(window.kernel), count, *sizes), padded.dtype)
    for t, tap in enumerate(product(*(range(k) for k in window.kernel))):
        starts = [
            lo * s + i * d
            for lo, s, i, d in zip(corner, window.strides, tap, window.dilations, strict=True)
        ]
        at = tuple(
            slice(start, start + (n - 1) * s + 1, s)
            for start, n, s in zip(starts, sizes, window.strides, strict=True)
        )
        laid[:, t] = padded[(slice(None), slice(None), *at)].swapaxes(0, 1)
    return laid.reshape(channels * laid.shape[1], -1)


def _transposed(node: Node, images: Array, weights: Array, line: Ids) -> Pieces:
    """A transposed convolution: a convolution of the images with zeros between their pixels."""
    spatial = weights.ndim - 2
    window = _Window.of(node, weights.shape[2:], spatial)
    extra = node.ints("output_padding") or (0,) * spatial
    extents = ((n - 1) * s + 1 for n, s in zip(images.shape[2:], window.strides, strict=True))
    stuffed = np.zeros((*images.shape[:2], *extents), images.dtype)
    grid = tuple(slice(None, None, s) for s in window.strides)
    stuffed[(slice(None), slice(None), *grid)] = images
    reach = [d * (k - 1) for d, k in zip(window.dilations, window.kernel, strict=True)]
    low = [r - pad for r, pad in zip(reach, window.pads[:spatial], strict=True)]
    ends = zip(reach, window.pads[spatial:], extra, strict=True)
    pads = (*low, *(r - pad + more for r, pad, more in ends))
    plain = _Window(window.kernel, (1,) * spatial, window.dilations, pads)
    flipped = np.flip(weights, tuple(range(2, weights.ndim))).swapaxes(0, 1)
    flat = flipped.reshape(len(flipped), -1)
    ids = np.repeat(line, prod(window.kernel))
    return Pieces(flat, _patches(stuffed, plain, len(flat)), ids)


def _contraction(reader: Reader, channels: Array, weights: Array) -> Iterator[Pieces]:
    """One matrix product for every batch index."""
    a, b, out = letters(reader.node)
    mine, other = (b, a) if reader.operand else (a, b)
    batch = [c for c in mine if c in other and c in out]
    summed = [c for c in mine if c in other and c not in out]
    free = [c for c in mine if c not in other]
    sizes = dict(zip(mine + other, channels.shape + weights.shape, strict=False))
    for letter, n in zip(mine, channels.shape, strict=True):
        sizes[letter] = max(sizes[letter], n)
    left = _laid(channels, mine, (batch, summed, free), sizes)
    right = _laid(weights, other, (batch, [c for c in other if c not in mine], summed), sizes)
    # Along free letters every row holds the same units: the couple pass ties them.
    ids = reader.ids[tuple(slice(None) if c not in free else slice(0, 1) for c in mine)]
    units = _laid(ids, mine, (batch, summed, free), sizes | dict.fromkeys(free, 1))
    step = max(1, _PIECE // max(1, left.shape[1], right.shape[1]))
    for inputs, matrix, line in zip(left, right, units, strict=True):
        yield Pieces(matrix, _columns(inputs, step), line[:, 0])


def _laid(
    array: Array, word: str, order: tuple[list[str], list[str], list[str]], sizes: dict[str, int]
) -> Array:
    """A tensor with its letters in three axes."""
    flat = [c for part in order for c in part]
    turned = array.transpose([word.index(c) for c in flat])
    full = np.broadcast_to(turned, [sizes[c] for c in flat])
    return full.reshape([prod(sizes[c] for c in part) for part in order])


def _columns(matrix: Array, step: int) -> Iterator[Array]:
    for i in range(0, matrix.shape[1], step):
        yield np.ascontiguousarray(matrix[:, i : i + step])
