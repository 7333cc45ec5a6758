"""Proofs that a narrowed model is what its plan says."""

from graphprune.passes.verify.proof import Comparison, Proof, tolerance
from graphprune.passes.verify.replay import Replay, replay
from graphprune.passes.verify.verify import Execute, Trial, verify

__all__ = ["Comparison", "Execute", "Proof", "Replay", "Trial", "replay", "tolerance", "verify"]
