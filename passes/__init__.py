"""The passes of the compiler; import them as `graphprune.passes`."""

# A checkout has this folder at its top: imported from there it would be a second, separate copy.
if __name__ != "graphprune.passes":
    raise ImportError(f"import this package as 'graphprune.passes', not as {__name__!r}")
