"""Figures: matplotlib, asked for only where something is drawn, and the files they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphprune.errors import BackendUnavailable, BadData, GraphpruneError

KINDS = (".png", ".svg")


def check(target: Path) -> None:
    """Refuses, before anything is measured or drawn, a file that cannot become a picture.

    Args:
        target: The file.

    Raises:
        BackendUnavailable: matplotlib is not installed.
        BadData: The file's ending is none of `KINDS`, or its folder does not exist.
    """
    if target.suffix.lower() not in KINDS:
        raise BadData(
            f"a picture cannot be written as '{target.suffix or target.name}'",
            where=str(target),
            fix=f"end the name with {' or '.join(KINDS)}",
        )
    if not target.parent.is_dir():
        raise BadData("a picture cannot be written: there is no such folder", where=str(target))
    matplotlib()


def matplotlib() -> Any:
    """Returns matplotlib's module of figures.

    Raises:
        BackendUnavailable: It is not installed.
    """
    try:
        from matplotlib import figure, rcParams
    except ImportError as error:
        raise BackendUnavailable(
            "pictures are drawn with matplotlib, which is not installed",
            why=str(error),
            fix="pip install 'graphprune[plot]'",
        ) from error
    rcParams["svg.hashsalt"] = "graphprune"
    rcParams["svg.fonttype"] = "none"
    rcParams["hatch.linewidth"] = 0.6
    return figure


def write(figure: Any, target: Path) -> None:
    """Writes a figure.

    Args:
        figure: Of matplotlib.
        target: Ends with one of `KINDS`.

    Raises:
        GraphpruneError: The file cannot be written.
    """
    # No date, so that equal models give equal files.
    metadata = {"Date": None} if target.suffix.lower() == ".svg" else {}
    try:
        figure.savefig(target, dpi=110, metadata=metadata)
    except OSError as error:
        raise GraphpruneError(
            "the picture cannot be written", where=str(target), why=error.strerror or str(error)
        ) from error
