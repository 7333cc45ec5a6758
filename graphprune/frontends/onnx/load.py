"""Opening a model: from a path or a proto, checked before anything is read from it."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from graphprune.errors import InvalidModel
from graphprune.frontends.onnx import wire
from graphprune.frontends.onnx.disk import Opened
from graphprune.frontends.onnx.model import OnnxModel
from graphprune.frontends.onnx.sanity import check_proto


def load(source: str | Path | onnx.ModelProto) -> OnnxModel:
    """Read a model without reading its weights.

    Args:
        source: A path, or a proto (which is not changed).

    Raises:
        InvalidModel: The file is missing, empty, damaged, not ONNX, or names external data that
            is missing, too short, or outside the model's folder.
    """
    if not isinstance(source, str | Path | onnx.ModelProto):
        raise InvalidModel(
            f"an object of type '{type(source).__name__}' is no model",
            fix="give a path, an onnx.ModelProto, or a torch.nn.Module",
        )
    model = OnnxModel(source) if isinstance(source, onnx.ModelProto) else _from_file(Path(source))
    check_proto(model)
    return model


def _from_file(path: Path) -> OnnxModel:
    try:
        file = Opened(path)
        buffer = file.view(0, file.size)
    except (OSError, ValueError) as error:
        raise InvalidModel(
            "the model cannot be opened",
            where=str(path),
            why=getattr(error, "strerror", None) or str(error),
            fix="name an existing, non-empty .onnx file",
        ) from error
    try:
        skeleton, spans = wire.split(buffer)
        proto = onnx.ModelProto.FromString(skeleton)
    except InvalidModel as error:
        raise InvalidModel(error.what, where=str(path), why=error.why, fix=error.fix) from error
    except DecodeError as error:
        raise InvalidModel(
            "this is not an ONNX file, or it is damaged", where=str(path), why=str(error)
        ) from error
    return OnnxModel(proto, path, spans, file)
