"""Allocate: how many units every group keeps. One policy a file."""

from graphprune.passes.allocate import (
    erk,
    global_,
    grasp_density,
    pfp,
    precrop,
    snip_density,
    sqrt,
    synflow_density,
    uniform,
)
from graphprune.passes.allocate.fill import fit, grow
from graphprune.passes.allocate.problem import Problem
from graphprune.passes.allocate.registry import POLICIES, Policy, allocate, policies, policy
from graphprune.passes.allocate.rounding import choices, step

__all__ = [
    "POLICIES",
    "Policy",
    "Problem",
    "allocate",
    "choices",
    "erk",
    "fit",
    "global_",
    "grasp_density",
    "grow",
    "pfp",
    "policies",
    "policy",
    "precrop",
    "snip_density",
    "sqrt",
    "step",
    "synflow_density",
    "uniform",
]
