"""The table of respelling rules."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from graphprune.passes.narrow.torch.rewrite import RESPELL, respells  # noqa: E402


def test_rules_are_found_by_name_and_registered_once() -> None:
    assert RESPELL["view"] is RESPELL["reshape"]
    with pytest.raises(ValueError, match="'view' is respelled twice"):
        respells("view")(lambda site: None)
