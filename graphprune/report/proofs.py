"""What a proof says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from graphprune.passes.verify import Comparison, Proof
from graphprune.report.numbers import count

_WORST_REPORTED = 5


def proof_lines(proof: Proof) -> Iterator[str]:
    """One line for each part of the proof, the verdict not among them."""
    replay = proof.replay
    if replay.ok:
        yield f"replay: at all {count(replay.checked, 'operation')} only matching channels meet"
    else:
        yield "replay: FAILED"
        for failure in replay.failures[:_WORST_REPORTED]:
            yield f"  {failure}"
    if proof.masked is None:
        yield f"numbers: not compared, {proof.why_not_run or 'the model was not run'}"
    else:
        yield from _numbers(proof.masked, proof.tolerance)
    yield from _approximate(proof)


def _numbers(found: Comparison, tolerance: float) -> Iterator[str]:
    yield (
        f"numbers: largest relative error against the masked original {found.worst:.2g} "
        f"(accepted: {tolerance:.0e})"
    )
    inputs = count(found.runs - found.given, "random input")
    if found.given:
        inputs = f"{found.given} given and {inputs}"
    yield f"  over {inputs}{_precision(found)}"


def _precision(found: Comparison) -> str:
    if found.precision == "native":
        return ""
    if found.precision != "float64":
        return f" ({found.precision})"
    if found.rounding is None:
        return ", in float64"
    return f", in float64; in the model's own types rounding alone came to {found.rounding:.1e}"


def _approximate(proof: Proof) -> Iterator[str]:
    if not proof.approximate:
        return
    names = list(proof.approximate)
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    yield f"approximate: {listed}: a statistic is taken over the channels that are left"
    if proof.left_out:
        yield f"  left whole in the comparison of numbers: {', '.join(proof.left_out)}"
    if proof.shift is not None:
        yield f"  taken over all channels it would move the outputs by up to {proof.shift:.1%}"


def verdict(proof: Proof) -> tuple[str, str]:
    """The verdict and the style to print it in."""
    if not proof.ok:
        return "NOT EQUIVALENT", "bold red"
    if proof.masked is None:
        return "proven on labels", "bold yellow"
    return "proven", "bold green"
