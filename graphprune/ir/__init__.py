"""The neutral graph every frontend lowers to and every pass reads."""

from graphprune.ir.graph import Attr, Graph, Node, Value

__all__ = ["Attr", "Graph", "Node", "Value"]
