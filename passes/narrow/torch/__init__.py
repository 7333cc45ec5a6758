"""The rewrite pass for PyTorch modules."""

from graphprune.passes.narrow.torch.narrowed import NarrowedModule

__all__ = ["NarrowedModule"]
