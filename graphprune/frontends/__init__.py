"""Frontends lower native models to the neutral graph and keep the way back."""
