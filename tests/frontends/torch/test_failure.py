"""What cannot be traced is said in the user's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
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
          why:   what a tensor holds decides control flow or a shape (GuardOnDataDependentSymNode)
          fix:   make control flow and shapes independent of what tensors hold, keep that part out of the module, or give an ExportedProgram
    """)  # noqa: E501


def test_the_modules_own_errors() -> None:
    assert message(raising, tensor(2)) == lines(f"""
        UnsupportedModel: torch.export cannot trace 'Net'
          where: test_failure.py:{number(raising, "raise")} in raising: raise ValueError("only squares\\nplease")
          why:   ValueError: only squares
          fix:   call the module with these example inputs first: it has to run
    """)  # noqa: E501


def slicing(s: Any, x: Any) -> Any:
    return x[:, : int(x.abs().sum().item())]


def looping(s: Any, x: Any) -> Any:
    for _ in range(int(x.max())):
        x = x * 2
    return x


def numpy(s: Any, x: Any) -> Any:
    return torch.from_numpy(np.tanh(x.detach().numpy()))


class Box:
    """Something torch.export knows nothing about."""

    def __init__(self, held: Any) -> None:
        self.held = held


def boxing(s: Any, x: Any) -> Any:
    return Box(x)


def unboxing(s: Any, x: Any) -> Any:
    return x.held


@pytest.mark.parametrize(("function", "text"), [(slicing, "return"), (looping, "for")])
def test_contents_that_decide_a_shape_or_a_loop(function: Forward, text: str) -> None:
    said = message(function, tensor(2, 4))
    assert f"where: test_failure.py:{number(function, text)} in {function.__name__}: {text}" in said
    assert "why:   what a tensor holds decides control flow or a shape (Guard" in said
    assert "fix:   make control flow and shapes independent of what tensors hold" in said


def test_numpy_calls() -> None:
    assert message(numpy, tensor(2)) == lines(f"""
        UnsupportedModel: torch.export cannot trace 'Net'
          where: test_failure.py:{number(numpy, "return")} in numpy: return torch.from_numpy(np.tanh(x.detach().numpy()))
          why:   NumPy computes with a tensor (RuntimeError)
          fix:   compute with PyTorch instead, keep that part out of the module, or give an ExportedProgram
    """)  # noqa: E501


def test_unknown_types_of_inputs() -> None:
    said = message(unboxing, Box(tensor(2)))
    assert f"why:   ValueError: Unsupported input type {Box}\n" in said
    assert said.endswith(
        "fix:   call the module with tensors, numbers, strings, and tuples, lists or dictionaries "
        "of them"
    )


def test_unknown_types_of_results() -> None:
    said = message(boxing, tensor(2))
    assert str(Box) in said
    assert said.endswith(
        "fix:   return tensors, numbers, strings, and tuples, lists or dictionaries of them"
    )


def test_scripted_modules() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        trace(torch.jit.script(torch.nn.ReLU()), (tensor(2),))
    assert caught.value.fix == "give the module it was scripted from, or an ExportedProgram"


def test_missing_inputs() -> None:
    text = message(lambda s, x: x)
    assert "why:   TypeError: " in text
    assert "missing 1 required positional argument: 'x'" in text


def test_nothing_else_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    message(branching, tensor(2))
    assert capsys.readouterr() == ("", "")
