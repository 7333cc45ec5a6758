"""PyTorch modules in, narrower or rebuilt trainable modules out."""

from graphprune.pipelines.torch.pruning import (
    ModuleOptions,
    apply,
    evidence_of,
    prune,
    prune_inspected,
    require_evidence,
    source_of,
)

__all__ = [
    "ModuleOptions",
    "apply",
    "evidence_of",
    "prune",
    "prune_inspected",
    "require_evidence",
    "source_of",
]
