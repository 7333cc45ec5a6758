"""The error tree: the class says what, the message says what, where, why and how to mend it.

Every error that a user can meet derives from `GraphpruneError`; the command line prints its text
and exits with status 2, so the text must stand on its own without a traceback.
"""

from __future__ import annotations


class GraphpruneError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        what: The failure itself, in one line.
        where: The place in the model, file or command it concerns, or None.
        why: The reason, or None.
        fix: What the user can do about it, or None.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Keeps the four parts; `str()` lays them out.

        Args:
            what: The failure itself, in one line.
            where: The place in the model, file or command it concerns.
            why: The reason.
            fix: What the user can do about it.
        """
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        """Returns `Class: what`, then one aligned line for each further part that is there."""
        lines = [f"{type(self).__name__}: {self.what}"]
        for label, text in (("where:", self.where), ("why:", self.why), ("fix:", self.fix)):
            if text is not None:
                # Further lines of a long part stay in the column in which its first line begins.
                lines.append(f"  {label:<6} " + text.replace("\n", "\n" + " " * 9))
        return "\n".join(lines)


class InvalidModel(GraphpruneError):
    """The model breaks its own format: it cannot be read, or its graph is inconsistent."""


class UnsupportedModel(GraphpruneError):
    """The model is valid, but uses something that cannot be analysed or rewritten."""


class InfeasibleBudget(GraphpruneError):
    """No choice of widths meets the budget; the message names the bound."""


class FrozenGroup(GraphpruneError):
    """Something that was to be narrowed is tied to what may not change."""


class PlanMismatch(GraphpruneError):
    """A plan was applied to a model it was not made for."""


class NotEquivalent(GraphpruneError):
    """The narrowed model does not compute what the plan says."""


class BackendUnavailable(GraphpruneError):
    """An engine is not installed, or finds no device to run on."""


class BackendError(GraphpruneError):
    """An engine refused a model or failed while it ran it."""


class BadData(GraphpruneError):
    """Input data that does not fit the model: names, shapes, dtypes or values."""
