"""PyTorch networks of the kinds people prune, in their smallest form."""
