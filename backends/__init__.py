"""The engines a model can run on; import them as `graphprune.backends`."""

# A checkout has this folder at its top: imported from there it would be a second, separate copy.
if __name__ != "graphprune.backends":
    raise ImportError(f"import this package as 'graphprune.backends', not as {__name__!r}")
