"""Timing: paired comparison of two models on one engine."""
