"""The tests mirror the source tree, path for path."""
