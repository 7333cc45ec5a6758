"""Proofs that a narrowed PyTorch module is what its plan says."""
