"""Errors that reach the caller under the same name; see `graphprune.errors`."""

from __future__ import annotations

from typing import Optional


class Failure(Exception):
    """A failure that is understood."""

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        fix: Optional[str] = None,  # noqa: UP045
    ) -> None:
        """Keeps the parts.

        Args:
            what: The failure itself, in one line.
            why: The reason.
            fix: What the user can do about it.
        """
        super().__init__(what)
        self.what = what
        self.where = None
        self.why = why
        self.fix = fix


class BackendError(Failure):
    """TensorRT or the driver refused something, or failed."""


class BackendUnavailable(Failure):
    """TensorRT is not installed in this interpreter, or finds no GPU."""
