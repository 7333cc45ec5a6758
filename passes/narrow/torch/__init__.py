"""The rewrite pass for PyTorch modules."""

from graphprune.passes.narrow.torch.index_map import IndexMaps, index_maps
from graphprune.passes.narrow.torch.narrow import narrow_module
from graphprune.passes.narrow.torch.narrowed import NarrowedModule

__all__ = ["IndexMaps", "NarrowedModule", "index_maps", "narrow_module"]
