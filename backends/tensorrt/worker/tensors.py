"""Inputs and outputs: their types, and their memory on both sides."""

from __future__ import annotations

from .cuda import Cuda

TYPES = {
    "FLOAT": ("float32", 4),
    "HALF": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "INT8": ("int8", 1),
    "UINT8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "INT32": ("int32", 4),
    "INT64": ("int64", 8),
}
"""NumPy's names of TensorRT's types, and the bytes of an element."""


class Tensor:
    """An input or output, with memory on both sides."""

    def __init__(self, cuda: Cuda, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Takes the memory.

        Args:
            cuda: The driver.
            name: The tensor's name.
            dtype: TensorRT's name of its type.
            shape: One size an axis.
        """
        self.name, self.shape = name, shape
        self.dtype, size = TYPES[dtype]
        for extent in shape:
            size *= extent
        self.size = size
        self.device = cuda.allocate(size)
        self.host = cuda.allocate_host(size)
