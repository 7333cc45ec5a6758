"""Where a command stands: on stderr, and only where somebody watches."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Stages:
    """Names one stage after the other; a terminal shows the last with its elapsed time.

    Use it as a context, and call it with the name of every stage as it begins.
    """

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        """Nothing is shown before the context is entered.

        Args:
            quiet: Show nothing at all.
            verbose: Leave a line with the duration of every stage.
        """
        self._verbose = verbose and not quiet
        self._watched = sys.stderr.isatty() and not quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._began = 0.0

    def __enter__(self) -> Stages:
        """Starts the display."""
        if self._watched:
            from rich import progress
            from rich.console import Console

            self._progress = progress.Progress(
                progress.SpinnerColumn(),
                progress.TextColumn("{task.description}"),
                progress.BarColumn(bar_width=24),
                progress.TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                # Drawing takes time from what is being timed.
                refresh_per_second=4,
            )
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clears the display."""
        self._finish()
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, name: str) -> None:
        """Begins a stage."""
        self._finish()
        self._name, self._began = name, time.perf_counter()
        if self._progress is not None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(name, total=None)

    def share(self, fraction: float) -> None:
        """Says how much of the stage is done.

        Args:
            fraction: From 0 to 1.
        """
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=1.0, completed=fraction)

    def _finish(self) -> None:
        if self._verbose and self._name:
            line = f"{time.perf_counter() - self._began:7.2f} s  {self._name}"
            if self._progress is not None:
                self._progress.console.print(line, markup=False, highlight=False)
            else:
                typer.echo(line, err=True)
        self._name = ""
