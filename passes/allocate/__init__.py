"""Allocate: how many units every group keeps. One policy a file."""

from graphprune.passes.allocate import global_, pfp, uniform
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
    "fit",
    "global_",
    "grow",
    "pfp",
    "policies",
    "policy",
    "step",
    "uniform",
]
