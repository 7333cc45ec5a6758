"""The proof that a narrowed PyTorch module computes what its plan says."""

from graphprune.passes.verify.torch.align import aligned
from graphprune.passes.verify.torch.masked import Masked
from graphprune.passes.verify.torch.trial import ModuleTrial
from graphprune.passes.verify.torch.verify import verify_module

__all__ = ["Masked", "ModuleTrial", "aligned", "verify_module"]
