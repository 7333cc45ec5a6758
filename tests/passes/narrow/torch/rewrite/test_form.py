"""The original's signature, and structures of inputs and outputs."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.narrow.torch.rewrite.form import CallForm  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import halved  # noqa: E402

WORDS = tensor(2, 8)


@dataclass
class Result:
    logits: Any
    hidden: Any


torch.export.register_dataclass(Result)


class Layers(nn.Module):  # type: ignore[misc]
    """Two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 12), nn.Linear(12, 3)


class Options(Layers):
    def forward(
        self, x: Any, /, *more: Any, scale: float = 1.0, mask: Any = None, **rest: Any
    ) -> Any:
        x = x + sum(more) + rest.get("shift", 0.0)
        hidden = self.a(x).relu() * scale
        return Result(self.b(hidden if mask is None else hidden * mask), [hidden.sum()])


class Records(Layers):
    def forward(self, record: dict[str, Any]) -> Any:
        return self.b(self.a(record["x"]) * record["gate"])


def test_every_kind_of_parameter() -> None:
    form = CallForm.of(trace(Options().eval(), (WORDS, WORDS), {"shift": WORDS}))
    assert form.definition() == ["x, /, *more, scale=1.0, mask=None, **rest"]
    narrowed = halved(Options().eval(), WORDS, WORDS)
    assert str(inspect.signature(narrowed.forward)) == f"({form.definition()[0]})"
    assert isinstance(narrowed(WORDS, WORDS), Result)


def test_keywords_by_any_name() -> None:
    form = CallForm.of(trace(Options().eval(), (WORDS,), {"shift": WORDS}))
    given = {"x": 1, "more": (), "scale": 1.0, "mask": None, "rest": {"shift": 2}}
    assert form.leaves(given) == [1, 2]


def test_dictionaries_in_any_order() -> None:
    gate = tensor(2, 1)
    narrowed = halved(Records().eval(), {"x": WORDS, "gate": gate})
    assert torch.equal(narrowed({"gate": gate, "x": WORDS}), narrowed({"x": WORDS, "gate": gate}))


def test_other_structures_are_refused() -> None:
    narrowed = halved(Records().eval(), {"x": WORDS, "gate": tensor(2, 1)})
    with pytest.raises(TypeError, match="the module was traced with other arguments"):
        narrowed({"x": WORDS})


def test_what_is_no_tensor_keeps_its_value() -> None:
    narrowed = halved(Options().eval(), WORDS, exact=True)
    with pytest.raises(TypeError, match="traced without the argument 'scale'"):
        narrowed(WORDS, scale=2.0)
    form = CallForm.of(trace(Options().eval(), (WORDS,), {"scale": 2.0}))
    given = {"x": 1, "more": (), "mask": None, "rest": {}}
    assert form.leaves({**given, "scale": 2.0}) == [1, 2.0]
    with pytest.raises(TypeError, match=r"traced with 2.0 and holds for no other value: 3.0"):
        form.leaves({**given, "scale": 3.0})
