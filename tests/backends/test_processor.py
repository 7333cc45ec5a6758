"""Which processor this is."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphprune.backends import processor

CPUINFO = """\
processor\t: 0
model name\t: Abacus 9000
flags\t\t: fpu {more}

processor\t: 1
model name\t: Abacus 9000
flags\t\t: fpu {more}
"""


def placed(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(processor, "_CPUINFO", path)
    processor.identity.cache_clear()


def test_one_name_with_other_instructions_is_another_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for more in ("avx2", "avx2 avx512f", "avx512f avx2"):
        placed(tmp_path, CPUINFO.format(more=more), monkeypatch)
        assert processor.name() == "Abacus 9000"
        found.append(processor.identity())
    assert found[0] != found[1] == found[2]
    assert all(one.startswith("Abacus 9000, features ") for one in found)
    processor.identity.cache_clear()


def test_where_nothing_is_listed_the_architecture_stands_for_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "absent")
    processor.identity.cache_clear()
    assert processor.name()
    assert processor.identity() == processor.name()
    processor.identity.cache_clear()


def test_cores_are_those_the_process_may_use() -> None:
    assert processor.cores() >= 1
