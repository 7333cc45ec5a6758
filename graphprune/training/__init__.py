"""Pruning while a PyTorch module trains: in steps, or softly."""

from graphprune.training.schedule import Schedule, Step
from graphprune.training.soft import SoftPruning

__all__ = ["Schedule", "SoftPruning", "Step"]
