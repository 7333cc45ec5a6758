"""TensorRT: engines built and run beside it, from 8.5 to 11, through one path.

`worker` runs in the process that holds TensorRT, under any interpreter from Python 3.8 on; all else
runs here, and imports no TensorRT.
"""

from graphprune.backends.tensorrt.backend import TensorRT
from graphprune.backends.tensorrt.engine import TensorRTEngine
from graphprune.backends.tensorrt.shapes import Range

__all__ = ["Range", "TensorRT", "TensorRTEngine"]
