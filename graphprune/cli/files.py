"""What commands read from their arguments: shapes, plans, proof inputs, output paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphprune.errors import BadData, GraphpruneError

if TYPE_CHECKING:
    from graphprune.data import Feeds, InputSpec
    from graphprune.frontends.onnx import OnnxModel
    from graphprune.plan import Plan

PROOF_SAMPLES = 8
"""Samples of a data file that are run: both models run on every one, without optimisation."""


def shapes(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Reads ``--shape`` options.

    Args:
        texts: Such as ``x:1x3x224x224``; a name may hold colons.

    Raises:
        BadData: One is not of this form, or an input is named twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        name, _, numbers = text.rpartition(":")
        sizes = numbers.split("x")
        if not name or not all(size.isascii() and size.isdigit() and int(size) for size in sizes):
            raise BadData(
                f"'{text}' is not a shape",
                where="--shape",
                fix="give the input's name and its sizes: --shape images:1x3x224x224",
            )
        if name in found:
            raise BadData(f"input '{name}' is given two shapes", where="--shape")
        found[name] = tuple(map(int, sizes))
    return found


def plan(path: Path) -> Plan:
    """Reads a plan.

    Raises:
        BadData: There is no such file, or it holds no plan.
        PlanMismatch: It is of another format version.
    """
    from graphprune.plan import Plan

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no text"
        raise BadData("the plan cannot be read", where=str(path), why=why) from error
    try:
        return Plan.from_json(text)
    except GraphpruneError as error:
        places = ": ".join(filter(None, (str(path), error.where)))
        raise type(error)(error.what, where=places, why=error.why, fix=error.fix) from error


def input_specs(model: OnnxModel) -> tuple[InputSpec, ...]:
    """The inputs a model must be fed, sizes it leaves open by their names."""
    import numpy as np
    from onnx import helper

    from graphprune.data import Dim, InputSpec

    specs = []
    for info in model.proto.graph.input:
        if info.name in model.tensors:
            continue
        tensor = info.type.tensor_type
        dims: list[Dim] = [
            dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
            for dim in tensor.shape.dim
        ]
        try:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        except KeyError as error:
            raise BadData(f"input '{info.name}' holds no tensor, so no data fits it") from error
        specs.append(InputSpec(info.name, tuple(dims), dtype))
    return tuple(specs)


def assumed(model: OnnxModel, given: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The inputs of which a size is neither fixed by the model nor given."""
    return tuple(
        spec.name
        for spec in input_specs(model)
        if spec.name not in given and not all(isinstance(dim, int) for dim in spec.shape)
    )


def proof_feeds(
    path: Path | None, model: Path, given: Mapping[str, tuple[int, ...]]
) -> tuple[Feeds, ...]:
    """The first samples of a data file, as feeds of the model's batch size.

    Args:
        path: An .npz file, or None for no data.
        model: The model that takes them.
        given: Shapes by input name, where the model leaves them open.

    Raises:
        BadData: The file does not fit the model.
    """
    feeds = calibration_feeds(path, model, given)
    if not feeds:
        return ()
    size = len(next(iter(feeds[0].values())))
    return feeds[: max(1, PROOF_SAMPLES // size)]


def calibration_feeds(
    path: Path | None, model: Path, given: Mapping[str, tuple[int, ...]]
) -> tuple[Feeds, ...]:
    """All samples of a data file, as feeds of the model's batch size: views of the arrays.

    Args:
        path: An .npz file, or None for no data.
        model: The model that takes them.
        given: Shapes by input name, where the model leaves them open.

    Raises:
        BadData: The file does not fit the model.
    """
    if path is None:
        return ()
    from graphprune.data import batches, load_feeds
    from graphprune.frontends.onnx import load

    specs = input_specs(load(model))
    feeds = load_feeds(path, specs, samples=True)
    sizes = {
        given[spec.name][0] if given.get(spec.name) else dim if isinstance(dim, int) else 1
        for spec in specs
        for dim in spec.shape[:1]
    }
    if len(sizes) != 1:
        raise BadData(
            "the inputs differ in their batch size, so no samples can be told apart",
            where=str(path),
        )
    size = sizes.pop()
    found = tuple(batches(feeds, size, drop_last=True))
    if not found:
        raise BadData(f"the data hold less than one batch of {size}", where=str(path))
    return found


def check_output(source: Path, target: Path, overwrite: bool) -> None:
    """Refuses a target that cannot or must not be written, before any work is done.

    Args:
        source: The model that is read.
        target: The file to write.
        overwrite: Whether the target may be the source itself.

    Raises:
        BadData: It may not be written.
    """
    folder = target.parent
    if target.is_dir():
        raise BadData("the output is a folder", where=str(target), fix="name a file: -o out.onnx")
    if target.exists() and not target.is_file():
        raise BadData("the output exists and is no file", where=str(target))
    if not folder.is_dir():
        raise BadData("the folder of the output does not exist", where=str(folder))
    if not os.access(folder, os.W_OK):
        raise BadData("the folder of the output cannot be written", where=str(folder))
    if target.exists() and source.exists() and target.samefile(source) and not overwrite:
        raise BadData(
            "the output is the input",
            where=str(target),
            fix="name another file, or allow it with --overwrite",
        )


def check_data(source: OnnxModel, target: Path) -> None:
    """Refuses to write over the external data of the model that is read.

    Raises:
        BadData: A file to write is one of these.
    """
    for part in _parts(source):
        for written in (target, target.with_name(target.name + ".data")):
            if part != source.path and written.exists() and written.samefile(part):
                raise BadData(
                    "the output would replace the input's external data",
                    where=str(part),
                    fix="name another file, or one in another folder",
                )


def model_bytes(model: OnnxModel) -> int:
    """Size of a model's file and of the external data it names."""
    return sum(part.stat().st_size for part in _parts(model))


def _parts(model: OnnxModel) -> set[Path]:
    """The files that a model lies in."""
    from graphprune.frontends.onnx import external

    if model.path is None:
        return set()
    return {model.path} | {
        model.path.parent / entry.value
        for tensor in model.proto.graph.initializer
        if external.is_external(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
