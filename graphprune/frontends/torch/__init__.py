"""PyTorch modules: traced by torch.export, lowered to the neutral graph."""

from graphprune.frontends.torch.trace import TracedModule, trace

__all__ = ["TracedModule", "trace"]
