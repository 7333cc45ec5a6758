"""PyTorch modules: traced by torch.export, lowered to the neutral graph."""

from graphprune.frontends.torch.observe import Observed
from graphprune.frontends.torch.trace import Example, TracedModule, trace

__all__ = ["Example", "Observed", "TracedModule", "trace"]
