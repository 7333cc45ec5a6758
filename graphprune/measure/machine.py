"""What times were taken on: the machine, and its clocks and temperatures before and after.

Everything here is read, nothing is ever set. What a machine does not show, as most virtual ones
do not show their temperature, is left out, and the words say that it is not readable.
"""

from __future__ import annotations

import csv
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphprune.backends import processor

_UNREADABLE = "not readable here"
_QUERY = (
    "name", "driver_version", "clocks.sm", "clocks.max.sm", "temperature.gpu", "power.draw",
    "clocks_throttle_reasons.active",
)  # fmt: skip
_PATIENCE = 10.0
"""Seconds that nvidia-smi may take."""

_IDLE = 1
"""The bit of the throttle reasons that only says that nothing runs."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVIDIA's driver shows it; None is what it does not show.

    Attributes:
        name: Its name.
        driver: Version of the driver.
        clock: Of the multiprocessors now, in MHz.
        highest_clock: The highest they can have, in MHz.
        temperature: In degrees Celsius.
        power: In watts.
        throttled: Whether something other than idleness holds the clock down.
    """

    name: str
    driver: str
    clock: float | None
    highest_clock: float | None
    temperature: float | None
    power: float | None
    throttled: bool | None


@dataclass(frozen=True)
class Reading:
    """Clocks and temperatures at one moment.

    Attributes:
        clocks: Of every processor core, in MHz; empty where they cannot be read.
        temperatures: Of the processor's sensors, in degrees Celsius, by sensor.
        load: Processes that ran or waited during the last minute, on average.
        gpus: The GPUs of this machine.
    """

    clocks: tuple[float, ...]
    temperatures: dict[str, float]
    load: float | None
    gpus: tuple[Gpu, ...]

    def __str__(self) -> str:
        """Returns for example `cores 2400 to 3100 MHz, 61 °C, load 0.4`."""
        clocks = f"clocks {_UNREADABLE}"
        if self.clocks:
            low, high = min(self.clocks), max(self.clocks)
            span = f"{low:.0f}" if f"{low:.0f}" == f"{high:.0f}" else f"{low:.0f} to {high:.0f}"
            clocks = f"cores {span} MHz"
        warmest = max(self.temperatures.values(), default=None)
        parts = [clocks, _figure(warmest, "°C") or f"temperature {_UNREADABLE}"]
        if self.load is not None:
            parts.append(f"load {self.load:.1f}")
        for gpu in self.gpus:
            figures = (_figure(gpu.clock, "MHz"), _figure(gpu.temperature, "°C"))
            parts.append(" ".join(("GPU", *filter(None, figures))))
            parts += ["GPU throttled"] if gpu.throttled else []
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Machine:
    """What does not change while times are taken.

    Attributes:
        processor: Its name.
        cores: How many this process may use.
        memory: Bytes of it; None where the system does not say.
        system: Operating system and version.
        python: Version of the interpreter.
        gpus: Names of the GPUs.
    """

    processor: str
    cores: int
    memory: int | None
    system: str
    python: str
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns for example `AMD EPYC 9654, 2 cores, 16 GiB, Linux 6.1, Python 3.12.1`."""
        count = "1 core" if self.cores == 1 else f"{self.cores} cores"
        memory = [f"{self.memory / 2**30:.0f} GiB"] if self.memory else []
        parts = [self.processor, count, *memory, self.system, f"Python {self.python}", *self.gpus]
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Readings:
    """The machine, and what was read of it.

    Attributes:
        machine: What times were taken on.
        before: Before the first of them.
        after: After the last of them.
    """

    machine: Machine
    before: Reading
    after: Reading

    def __str__(self) -> str:
        """Returns one line for before and after."""
        return f"before: {self.before}; after: {self.after}"

    @property
    def crowded(self) -> bool:
        """Whether, before anything was timed, more processes wanted cores than there are."""
        return (self.before.load or 0.0) > self.machine.cores

    @classmethod
    def from_dict(cls, document: Any) -> Readings:
        """Reads what `to_dict` gave, and JSON kept.

        Raises:
            KeyError: A part is missing.
            TypeError: A part has other fields.
        """
        machine = {**document["machine"], "gpus": tuple(document["machine"]["gpus"])}
        before, after = (
            Reading(
                tuple(one["clocks"]),
                dict(one["temperatures"]),
                one["load"],
                tuple(Gpu(**gpu) for gpu in one["gpus"]),
            )
            for one in (document["before"], document["after"])
        )
        return cls(Machine(**machine), before, after)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, ready for JSON."""
        return {name: getattr(self, name).to_dict() for name in ("machine", "before", "after")}


Text = Callable[[], str]


def nvidia_smi() -> str:
    """Asks NVIDIA's driver; an empty answer where there is none, or where it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        # A driver that is broken shows nothing, which the reading then says.
        return ""
    return found.stdout


def describe(asked: Text = nvidia_smi) -> Machine:
    """Returns what does not change.

    Args:
        asked: Gives what nvidia-smi prints.
    """
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    names = tuple(gpu.name for gpu in _gpus(asked()))
    return Machine(
        processor.name(), processor.cores(), _memory(), system, platform.python_version(), names
    )


def read(root: Path = Path("/"), asked: Text = nvidia_smi) -> Reading:
    """Reads clocks and temperatures.

    Args:
        root: Where /proc and /sys lie.
        asked: Gives what nvidia-smi prints.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return Reading(_clocks(root), _temperatures(root), load, _gpus(asked()))


def _memory() -> int | None:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not hasattr(os, "sysconf") or not set(names) <= set(os.sysconf_names):
        return None
    return math.prod(os.sysconf(name) for name in names)


def _clocks(root: Path) -> tuple[float, ...]:
    """The clock of every core in MHz, from its governor or from the list of processors."""
    files = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
    found = tuple(number / 1e3 for number in map(_number, files) if number is not None)
    listed = root / "proc" / "cpuinfo"
    if found or not listed.exists():
        return found
    lines = re.findall(r"^cpu MHz\s*: ([\d.]+)$", listed.read_text(encoding="utf-8"), re.MULTILINE)
    return tuple(map(float, lines))


def _temperatures(root: Path) -> dict[str, float]:
    """Degrees Celsius by kind of zone; of several zones of one kind, the warmest."""
    found: dict[str, float] = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        number = _number(zone / "temp")
        if number is not None and (zone / "type").exists():
            name = (zone / "type").read_text(encoding="utf-8").strip()
            found[name] = max(number / 1e3, found.get(name, -math.inf))
    return found


def _number(file: Path) -> float | None:
    """What a file of the system says; sensors that are switched off cannot be read."""
    try:
        return float(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _gpus(answer: str) -> tuple[Gpu, ...]:
    """Reads what nvidia-smi printed: one line a GPU."""
    found = []
    for row in csv.reader(answer.splitlines(), skipinitialspace=True):
        if len(row) == len(_QUERY):
            clock, highest, temperature, power = map(_float, row[2:6])
            throttled = _held_down(row[6])
            found.append(Gpu(row[0], row[1], clock, highest, temperature, power, throttled))
    return tuple(found)


def _float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _held_down(text: str) -> bool | None:
    if not re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return None
    return bool(int(text, 16) & ~_IDLE)


def _figure(number: float | None, unit: str) -> str | None:
    return None if number is None else f"{number:.0f} {unit}"
