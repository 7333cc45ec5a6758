"""Bytes of a file, mapped for as long as somebody looks at them."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import weakref
from pathlib import Path

_MAPPED = 1 << 20  # bytes; less is read, because every mapping costs a file descriptor
_CHUNK = 1 << 20


class Opened:
    """A file that stays readable even when its name is given to another file.

    Args:
        path: An existing file.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size

    def view(self, offset: int, length: int) -> memoryview:
        """Some of its bytes; pages that were looked at are given back with the view.

        Args:
            offset: Of the first byte.
            length: How many there are.

        Raises:
            ValueError: The file ends before.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"bytes {offset} to {offset + length} of {self.size}")
        if length < _MAPPED:
            return memoryview(os.pread(self._descriptor, length, offset))
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        length += offset - start
        mapped = mmap.mmap(self._descriptor, length, access=mmap.ACCESS_READ, offset=start)
        return memoryview(mapped)[offset - start :]

    def chunks(self) -> list[range]:
        """Ranges of bytes that cover the file, each small enough to be read at once."""
        starts = range(0, self.size, _CHUNK)
        return [range(start, min(start + _CHUNK, self.size)) for start in starts]
