"""Which processor this is: engines for CPUs are built for the instructions it has."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def name() -> str:
    """Returns the processor's name, or its architecture where the system does not say."""
    return _entry("model name") or platform.processor() or platform.machine()


@cache
def identity() -> str:
    """Returns name and a digest of the instruction sets.

    Virtual machines hide instruction sets, so that one name stands for several processors.
    """
    features = _entry("flags") or _entry("Features")
    if not features:
        return name()
    digest = hashlib.sha256(" ".join(sorted(features.split())).encode()).hexdigest()[:8]
    return f"{name()}, features {digest}"


def cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _entry(key: str) -> str:
    """The first entry of that key that Linux shows of its processors; empty elsewhere."""
    if not _CPUINFO.exists():
        return ""
    for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(":")
        if left.strip() == key:
            return right.strip()
    return ""
