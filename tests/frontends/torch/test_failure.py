"""What cannot be traced is said in the user's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from tests.frontends.torch.modules import Forward, lines, lowered, tensor  # noqa: E402

HERE = Path(__file__)


def message(function: Forward, *inputs: Any) -> str:
    with pytest.raises(UnsupportedModel) as caught:
        lowered(function, *inputs)
    return str(caught.value).replace(str(HERE), HERE.name)


def branching(s: Any, x: Any) -> Any:
    if x.sum() > 0:  # the line that is named
        return x
    return x * 2


def raising(s: Any, x: Any) -> Any:
    raise ValueError("only squares\nplease")


def number(function: Forward, text: str) -> int:
    """The line of this file that begins with a text, within a function."""
    source = HERE.read_text().splitlines()
    start = function.__code__.co_firstlineno
    return next(i for i in range(start, len(source)) if source[i].strip().startswith(text)) + 1


def test_control_flow_on_contents() -> None:
    assert message(branching, tensor(2)) == lines(f"""
        UnsupportedModel: torch.export cannot trace 'Net'
          where: test_failure.py:{number(branching, "if x")} in branching: if x.sum() > 0:  # the line that is named
          why:   GuardOnDataDependentSymNode: Could not guard on data-dependent expression Eq(u0, 1)
          fix:   make control flow and shapes independent of what tensors hold, keep that part out of the module, or give an ExportedProgram
    """)  # noqa: E501


def test_the_modules_own_errors() -> None:
    assert message(raising, tensor(2)) == lines(f"""
        UnsupportedModel: torch.export cannot trace 'Net'
          where: test_failure.py:{number(raising, "raise")} in raising: raise ValueError("only squares\\nplease")
          why:   ValueError: only squares
          fix:   call the module with these example inputs first: it has to run
    """)  # noqa: E501


def test_missing_inputs() -> None:
    text = message(lambda s, x: x)
    assert "why:   TypeError: " in text
    assert "missing 1 required positional argument: 'x'" in text


def test_nothing_else_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    message(branching, tensor(2))
    assert capsys.readouterr() == ("", "")
