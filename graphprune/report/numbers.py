"""Numbers and names as people read them."""

from __future__ import annotations

import re

_PREFIXES = ("", "k", "M", "G", "T", "P")
_WORDS = re.compile(r"([^A-Za-z]+)")
_STEPS = re.compile(r"([./])")
_SHORTEST_WORD = 4
# Exporters write a module's path as /block/block.1/conv/conv.0: every step repeats the last.
_REPEATED = re.compile(r"/([^/]+)(?=/\1\.)")


def human(number: float, unit: str = "") -> str:
    """Three significant digits and a power of 1000: ``1.82 G``, ``13.1 M``, ``845``.

    Args:
        number: Not negative.
        unit: Written after the power: ``B`` for bytes.
    """
    scaled, power = float(number), 0
    # 999.5 would be written as 1000.
    while scaled >= 999.5 and power < len(_PREFIXES) - 1:
        scaled, power = scaled / 1000, power + 1
    digits = 0 if power == 0 or scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f} {_PREFIXES[power]}{unit}".rstrip()


def duration(seconds: float) -> str:
    """Three significant digits in s, ms or µs."""
    unit, factor = "µs", 1e6
    if seconds >= 0.9995:
        unit, factor = "s", 1.0
    elif seconds >= 0.9995e-3:
        unit, factor = "ms", 1e3
    scaled = seconds * factor
    digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f} {unit}"


def change(before: float, after: float) -> str:
    """How much smaller or larger, in percent: ``−50.0%``; empty where it was nothing."""
    if not before:
        return ""
    percent = 100 * (after / before - 1)
    return f"{'−' if percent < 0 else '+'}{abs(percent):.1f}%"


def count(number: int, noun: str) -> str:
    """A number and its noun: ``1 group``, ``3 groups``, ``2 axes``."""
    plural = {"axis": "axes"}.get(noun, noun + "s")
    return f"{number:,} {noun if number == 1 else plural}"


def shortened(name: str, width: int) -> str:
    """A name that fits. Numbers stay, because they tell layers apart; long words give way.

    Args:
        name: The name.
        width: Characters it may have, at least 5.
    """
    if len(name) <= width:
        return name
    steps = _STEPS.split(_REPEATED.sub("", name))
    for left_out in range(0, len(steps), 2):
        found = _abbreviated("…" * bool(left_out) + "".join(steps[left_out:]), width)
        if found is not None:
            return found
    tail = (width - 1) * 3 // 5
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def _abbreviated(name: str, width: int) -> str | None:
    """Letters taken off the longest words until it fits; None where all are short already."""
    # Every second part is what stands between words.
    parts = _WORDS.split(name)
    while sum(map(len, parts)) > width:
        longest = max(range(0, len(parts), 2), key=lambda i: len(parts[i]))
        if len(parts[longest]) <= _SHORTEST_WORD:
            return None
        parts[longest] = parts[longest].rstrip("…")[:-1] + "…"
    return "".join(parts)
