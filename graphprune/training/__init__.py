"""Pruning while a PyTorch module trains: in steps, softly, or by masks."""

from graphprune.training.masks import Masks
from graphprune.training.schedule import Schedule, Step
from graphprune.training.soft import SoftPruning

__all__ = ["Masks", "Schedule", "SoftPruning", "Step"]
