"""Parts of a traced graph: what is worth lowering, and bodies to look into."""

from __future__ import annotations

from typing import Any

from graphprune.frontends.torch.aliases import written

# Higher-order operators that run their body once, on their operands, as it stands.
_TRANSPARENT = {
    "wrap_with_set_grad_enabled", "wrap_with_autocast", "tag_activation_checkpoint",
    "wrap_activation_checkpoint", "wrap", "invoke_subgraph",
}  # fmt: skip


def live(graph: Any) -> set[Any]:
    """Nodes that an output depends on, and those that write into something."""
    found: set[Any] = set()
    for node in reversed(graph.nodes):
        wanted = node.op == "output" or written(node) or any(u in found for u in node.users)
        if wanted:
            found.add(node)
    return found


def inlined(node: Any, module: Any) -> tuple[Any, list[Any]] | None:
    """The body and the operands of a region that is no operation of its own, or None.

    Args:
        node: A call.
        module: The graph module it belongs to.
    """
    if getattr(node.target, "_name", getattr(node.target, "__name__", "")) not in _TRANSPARENT:
        return None
    bodies = [i for i, a in enumerate(node.args) if getattr(a, "op", "") == "get_attr"]
    if len(bodies) != 1:
        return None
    body = module.get_submodule(node.args[bodies[0]].target)
    operands = [a for a in node.args[bodies[0] + 1 :] if hasattr(a, "meta")]
    expected = [n for n in body.graph.nodes if n.op == "placeholder"]
    return (body, operands) if len(operands) == len(expected) else None
