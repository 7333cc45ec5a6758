"""The machine, its clocks and its temperatures, where it shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphprune.measure import machine
from graphprune.measure.machine import Gpu, Reading, Readings

SMI = """\
NVIDIA H200, 570.86, 1980, 1980, 41, 118.35, 0x0000000000000001
NVIDIA H200, 570.86, 1200, 1980, [N/A], [Not Supported], 0x0000000000000040
"""


def nothing() -> str:
    return ""


def placed(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_clocks_come_from_the_governor_and_temperatures_from_the_zones(tmp_path: Path) -> None:
    cpu, zone = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", "sys/class/thermal/"
    root = placed(
        tmp_path,
        {
            cpu.format(0): "2400000\n",
            cpu.format(1): "3100000\n",
            "proc/cpuinfo": "cpu MHz\t\t: 9.9\n",
            f"{zone}thermal_zone0/type": "x86_pkg_temp\n",
            f"{zone}thermal_zone0/temp": "61000\n",
            f"{zone}thermal_zone1/type": "x86_pkg_temp\n",
            f"{zone}thermal_zone1/temp": "64000\n",
            f"{zone}thermal_zone2/type": "iwlwifi\n",
            f"{zone}thermal_zone2/temp": "off\n",
        },
    )
    found = machine.read(root, nothing)
    assert found.clocks == (2400.0, 3100.0)
    assert found.temperatures == {"x86_pkg_temp": 64.0}
    assert str(found).startswith("cores 2400 to 3100 MHz, 64 °C")


def test_without_a_governor_clocks_come_from_the_list_of_processors(tmp_path: Path) -> None:
    text = "processor\t: 0\ncpu MHz\t\t: 2595.124\n\nprocessor\t: 1\ncpu MHz\t\t: 2595.124\n"
    found = machine.read(placed(tmp_path, {"proc/cpuinfo": text}), nothing)
    assert found.clocks == (2595.124, 2595.124)
    assert str(found).startswith("cores 2595 MHz, temperature not readable here")


def test_what_is_not_shown_is_not_readable(tmp_path: Path) -> None:
    found = machine.read(tmp_path, nothing)
    assert (found.clocks, found.temperatures, found.gpus) == ((), {}, ())
    assert str(found).startswith("clocks not readable here, temperature not readable here")


def test_gpus_are_read_through_the_driver(tmp_path: Path) -> None:
    found = machine.read(tmp_path, lambda: SMI)
    assert found.gpus == (
        Gpu("NVIDIA H200", "570.86", 1980.0, 1980.0, 41.0, 118.35, throttled=False),
        Gpu("NVIDIA H200", "570.86", 1200.0, 1980.0, None, None, throttled=True),
    )
    assert str(found).endswith("GPU 1980 MHz 41 °C, GPU 1200 MHz, GPU throttled")
    assert machine.describe(lambda: SMI).gpus == ("NVIDIA H200", "NVIDIA H200")
    assert machine.read(tmp_path, lambda: "Failed to initialize NVML\n").gpus == ()


@pytest.mark.parametrize("script", ["exit 9", "kill -9 $$"])
def test_a_driver_that_does_not_answer_shows_nothing(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.nvidia_smi() == ""
    monkeypatch.setenv("PATH", "")
    assert machine.nvidia_smi() == ""


def test_this_machine_is_described_without_paths() -> None:
    found = machine.describe()
    assert found.cores >= 1
    assert "core" in str(found)
    assert f"Python {found.python}" in str(found)
    reading = Reading((), {}, None, ())
    whole = Readings(found, reading, machine.read())
    assert "/" not in json.dumps(whole.to_dict()["machine"])
    assert str(whole).startswith(f"before: {reading}; after: ")
