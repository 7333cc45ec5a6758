"""The neutral graph every frontend lowers to and every pass reads."""

from graphprune.ir import windows as _windows  # noqa: F401  fills the table of shape rules
from graphprune.ir.graph import Attr, Graph, Node, Value

__all__ = ["Attr", "Graph", "Node", "Value"]
