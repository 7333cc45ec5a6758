"""Linearise: a network without its nonlinearities, and what flows through it."""

from graphprune.passes.linearise import elementwise, movement, products, windows
from graphprune.passes.linearise.expectation import SynExp, expectation
from graphprune.passes.linearise.flow import RULES, Flow, flow
from graphprune.passes.linearise.gates import carrying, constants, gates
from graphprune.passes.linearise.synflow import synflow
from graphprune.passes.linearise.weights import Weight, weights

__all__ = [
    "RULES",
    "Flow",
    "SynExp",
    "Weight",
    "carrying",
    "constants",
    "elementwise",
    "expectation",
    "flow",
    "gates",
    "movement",
    "products",
    "synflow",
    "weights",
    "windows",
]
