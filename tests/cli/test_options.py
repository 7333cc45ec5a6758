"""Options that several commands share: how a shell completes those that name passes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from graphprune.cli.options import NAMES
from graphprune.pipelines.methods import METHODS, PARTS

PROGRAM = "import sys; sys.argv[0] = 'graphprune'; from graphprune.cli import main; main()"


def completed(option: str, begun: str) -> list[str]:
    """What bash is offered for a word that was begun behind an option."""
    words = f"graphprune prune {option} {begun}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "_GRAPHPRUNE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": "3",
        },
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("option", "begun", "offered"),
    [
        ("--method", "pfp", ["pfp", "pfp-mixed", "pfp-random"]),
        ("--criterion", "bn", ["bn-scale"]),
        ("--allocation", "uni", ["uniform"]),
        ("--selection", "sa", ["sample"]),
    ],
)
def test_names_are_completed(option: str, begun: str, offered: list[str]) -> None:
    assert completed(option, begun) == offered


def test_all_that_is_registered_is_offered() -> None:
    registered = {part: list(registry.names) for part, registry in PARTS.items()}
    offered = {name: list_them() for name, list_them in NAMES.items()}
    assert offered == {"method": list(METHODS), **registered}
