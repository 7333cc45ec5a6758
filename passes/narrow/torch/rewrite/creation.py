"""Tensors made while the network runs."""

from __future__ import annotations

from typing import Any

import torch

from graphprune.frontends.torch.ops.recurrent import RECURRENT
from graphprune.passes.narrow.torch.rewrite.site import Attribute, Site, Spelling, respells

aten = torch.ops.aten


@respells(
    "zeros", "ones", "full", "empty", "rand", "randn", "randint",
    "new_zeros", "new_ones", "new_full", "new_empty",
)  # fmt: skip
def fill(site: Site) -> Spelling | None:
    """Extents are arguments."""
    given = site.arguments["size"]
    spelled = site.extents(given, site.new())
    changed: dict[str, Any] = {} if spelled == list(given) else {"size": spelled}
    weight = _weight(site)
    if weight is not None:
        changed["dtype"] = Attribute(weight, "dtype")
    return Spelling(changed) if changed else None


def _weight(site: Site) -> Any:
    """The weight whose element type initial states of a recurrent layer follow, or None.

    The layer makes them of its input's type, which tracing wrote down.
    """
    users = [user for user in site.node.users if _schema_name(user) in RECURRENT]
    if not users or len(users) < len(site.node.users) or "dtype" not in site.given:
        return None
    weight = users[0].args[2][0]
    return weight if weight.meta["val"].dtype == site.given["dtype"] else None


def _schema_name(node: Any) -> str:
    schema = getattr(node.target, "_schema", None)
    return "" if schema is None else str(schema.name).removeprefix("aten::")


@respells("empty_permuted", "empty_strided", "new_empty_strided")
def empty(site: Site) -> Spelling | None:
    """The order in memory is left to PyTorch where extents change."""
    if not site.changes():
        return None
    options = {n: site.given[n] for n in ("dtype", "layout", "device") if n in site.given}
    size = site.extents(site.arguments["size"], site.new())
    return Spelling({"size": size, **options}, aten.empty.memory_format)
