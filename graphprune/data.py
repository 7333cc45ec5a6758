"""What goes into a model: input specifications, random feeds, and feeds read from `.npz` files.

A *feed* is the mapping that one call of a model takes: input name to array.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphprune.errors import BadData

Array = npt.NDArray[Any]
Feeds = dict[str, Array]
Dim = int | str | None


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Attributes:
        name: The input's name.
        shape: One entry an axis: a size, the name of a symbolic size, or None for an unnamed one.
        dtype: The element type.
    """

    name: str
    shape: tuple[Dim, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        """Returns for example `x: float32[batch,3,224,224]`."""
        shape = ",".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.name}: {self.dtype}[{shape}]"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbolic sizes, in the order of the axes."""
        return tuple(dim for dim in self.shape if isinstance(dim, str))

    def concrete(
        self, dims: Mapping[str, int] | None = None, *, default: int = 1
    ) -> tuple[int, ...]:
        """Gives every axis a size.

        Args:
            dims: Sizes of symbolic axes, by symbol.
            default: The size of every axis that `dims` does not name.
        """
        dims = dims or {}
        return tuple(
            dim if isinstance(dim, int) else dims.get(dim, default) if dim else default
            for dim in self.shape
        )


def random_feeds(
    specs: Sequence[InputSpec],
    *,
    dims: Mapping[str, int] | None = None,
    default: int = 1,
    integers: int = 2,
    seed: int = 0,
) -> Feeds:
    """Draws one feed.

    Floats are standard normal, never all zero: some engines run faster on zeros. Integers stay
    small because they mostly index a table of unknown height, booleans are true because they
    mostly mask and a row masked throughout turns a softmax into NaN.

    Args:
        specs: The model's inputs.
        dims: Sizes of symbolic axes, by symbol.
        default: The size of every symbolic axis that `dims` does not name.
        integers: Integers are drawn from 0 to this number, exclusive.
        seed: Seed of the generator; equal arguments give equal feeds.

    Raises:
        BadData: `dims` names a symbol no input has, or an input holds neither numbers nor
            booleans.
    """
    known = sorted({symbol for spec in specs for symbol in spec.symbols})
    unknown = sorted(set(dims or {}) - set(known))
    if unknown:
        raise BadData(
            f"no input has a symbolic size named {', '.join(map(repr, unknown))}",
            why=f"the symbolic sizes are: {', '.join(known) or 'none'}",
        )
    rng = np.random.default_rng(seed)
    return {
        spec.name: _draw(spec, spec.concrete(dims, default=default), integers, rng)
        for spec in specs
    }


def _draw(
    spec: InputSpec, shape: tuple[int, ...], integers: int, rng: np.random.Generator
) -> Array:
    """Draws one input; see `random_feeds`."""
    kind = spec.dtype.kind
    if kind == "b":
        return np.ones(shape, dtype=spec.dtype)
    if kind in "iu":
        return rng.integers(0, integers, size=shape).astype(spec.dtype)
    if kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(spec.dtype)
    # The small floats that NumPy does not know (bfloat16 and narrower) report kind "V".
    if kind == "f" or (kind == "V" and "float" in spec.dtype.name):
        return rng.standard_normal(shape).astype(spec.dtype)
    raise BadData(
        f"cannot draw random values for input {spec.name!r}",
        why=f"its elements are of type {spec.dtype}",
        fix="give the inputs in an .npz file",
    )


def load_feeds(
    path: str | Path,
    specs: Sequence[InputSpec],
    *,
    samples: bool = False,
    beside: Collection[str] = (),
) -> Feeds:
    """Reads one array an input from an `.npz` file whose keys are the input names.

    Args:
        path: The file.
        specs: The model's inputs.
        samples: True when the first axis counts samples, as in calibration data: it is then not
            compared with the model's own batch size. Cut it with `batches`.
        beside: Names the file may hold beside the inputs, such as "labels"; they are returned
            unchecked.

    Returns:
        The inputs in the order of `specs`, then whatever of `beside` the file holds.

    Raises:
        BadData: The file cannot be read, or does not fit the inputs.
    """
    arrays = _read_npz(Path(path))
    feeds = {name: array for name, array in arrays.items() if name not in beside}
    check_feeds(feeds, specs, samples=samples, where=str(path))
    ordered = {spec.name: feeds[spec.name] for spec in specs}
    return ordered | {name: array for name, array in arrays.items() if name in beside}


def _read_npz(path: Path) -> Feeds:
    """Reads every array of an `.npz` file; pickled objects are refused."""
    fix = "write it with numpy.savez(path, **{input name: array})"
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise BadData("this is a single array, not an .npz file", where=str(path), fix=fix)
        with archive:
            return dict(archive)
    except FileNotFoundError as error:
        raise BadData("no such file", where=str(path)) from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BadData(
            "cannot read this as an .npz file", where=str(path), why=str(error), fix=fix
        ) from error


def check_feeds(
    feeds: Mapping[str, Array],
    specs: Sequence[InputSpec],
    *,
    samples: bool = False,
    where: str | None = None,
) -> None:
    """Compares a feed with the model's inputs: names, element types, sizes.

    Args:
        feeds: The arrays, by input name.
        specs: The model's inputs.
        samples: True when the first axis counts samples and may have any size.
        where: The file the feed came from, for the message.

    Raises:
        BadData: At the first difference; the message lists what is expected.
    """
    fix = "give exactly these inputs: " + "; ".join(map(str, specs))
    missing = [spec.name for spec in specs if spec.name not in feeds]
    extra = sorted(set(feeds) - {spec.name for spec in specs})
    if missing or extra:
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (("missing:", missing), ("unknown:", extra))
            if names
        ]
        raise BadData(
            "the names do not match the model's inputs", where=where, why="; ".join(parts), fix=fix
        )
    sizes: dict[str, tuple[int, str]] = {}
    for spec in specs:
        why = _difference(spec, feeds[spec.name], samples, sizes)
        if why:
            raise BadData(
                f"input {spec.name!r} does not fit the model", where=where, why=why, fix=fix
            )


def _difference(
    spec: InputSpec, array: Array, samples: bool, sizes: dict[str, tuple[int, str]]
) -> str | None:
    """Says how one array differs from its specification, or None.

    `sizes` remembers, over the inputs of one feed, the size each symbol was first seen with.
    """
    if array.dtype != spec.dtype:
        return f"its elements are {array.dtype}, expected {spec.dtype}"
    if array.ndim != len(spec.shape):
        return f"it has shape {array.shape}, expected {len(spec.shape)} axes"
    for axis, (dim, size) in enumerate(zip(spec.shape, array.shape, strict=True)):
        if isinstance(dim, int) and dim != size and not (samples and axis == 0):
            return f"axis {axis} has size {size}, expected {dim}"
        if isinstance(dim, str):
            first, name = sizes.setdefault(dim, (size, spec.name))
            if first != size:
                return f"axis {axis} ({dim}) has size {size}, but {first} in {name!r}"
    return None


def batches(feeds: Mapping[str, Array], size: int, *, drop_last: bool = False) -> Iterator[Feeds]:
    """Cuts feeds along their first axis.

    Args:
        feeds: Arrays with as many samples each along axis 0.
        size: Samples a batch.
        drop_last: Leave out a last batch smaller than `size`, for models of a fixed batch size.

    Yields:
        Feeds of `size` samples; views, not copies.

    Raises:
        BadData: The arrays differ in their number of samples, have no axis, or `size` is not
            positive.
    """
    if size < 1:
        raise BadData(f"cannot cut batches of {size} samples")
    counts = {name: array.shape[0] if array.ndim else None for name, array in feeds.items()}
    if len(set(counts.values())) != 1 or None in counts.values():
        raise BadData(
            "the inputs differ in their number of samples",
            why=", ".join(f"{name}: {count}" for name, count in counts.items()),
        )
    total = next(iter(feeds.values())).shape[0]
    for start in range(0, total, size):
        if drop_last and start + size > total:
            return
        yield {name: array[start : start + size] for name, array in feeds.items()}


def mean(batches: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """Arrays averaged over batches, each of which counts the same.

    Args:
        batches: Arrays by name, the same names every time.

    Raises:
        BadData: There are none.
    """
    total: dict[str, Array] = {}
    count = 0
    for batch in batches:
        total = {name: total[name] + x if count else x for name, x in batch.items()}
        count += 1
    if not count:
        raise BadData("data holds no batches")
    return {name: np.asarray(array / count) for name, array in total.items()}
