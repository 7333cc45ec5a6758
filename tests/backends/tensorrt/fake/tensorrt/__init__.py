"""A FAKE of the module `tensorrt`: for the logic of what drives it, never for numbers.

It has the names of the version that FAKE_TENSORRT names, and refuses all others. Its "engines"
hold the ONNX model and run it with onnxruntime on the fake driver's memory; FAKE_FAULT makes it
fail as the real one does: see `building` and `running`.
"""

from .building import Builder, OnnxParser
from .running import Runtime
from .surface import WORLD

__all__ = ["Builder", "ILogger", "IProfiler", "OnnxParser", "Runtime", "init_libnvinfer_plugins"]

__version__ = WORLD.text
if WORLD.fault == "no-libraries":
    raise ImportError("libnvinfer.so.10: cannot open shared object file")


class ILogger:
    """Subclassed by whoever wants to hear."""


class IProfiler:
    """Subclassed by whoever wants to know."""


def init_libnvinfer_plugins(logger: object, namespace: str) -> bool:
    return True


globals().update(WORLD.enumerations)
