"""Proofs in sentences."""

from __future__ import annotations

from graphprune.passes.verify import Comparison, Proof, Replay
from graphprune.report.proofs import proof_lines, verdict

REPLAY = Replay(True, 58)


def test_proven() -> None:
    proof = Proof(REPLAY, Comparison({"y": 1.6e-7}, runs=10, given=8), 1e-5, {})
    assert verdict(proof)[0] == "proven"
    assert list(proof_lines(proof)) == [
        "replay: at all 58 operations only matching channels meet",
        "numbers: largest relative error against the masked original 1.6e-07 (accepted: 1e-05)",
        "  over 8 given and 2 random inputs",
    ]


def test_float64_says_why() -> None:
    comparison = Comparison({"y": 3e-13}, runs=1, precision="float64", rounding=4e-5)
    lines = list(proof_lines(Proof(REPLAY, comparison, 1e-9, {})))
    assert lines[2] == (
        "  over 1 random input, in float64; in the model's own types rounding alone came to 4.0e-05"
    )


def test_on_labels_only() -> None:
    proof = Proof(REPLAY, None, 1e-5, {}, why_not_run="asked not to run")
    assert verdict(proof)[0] == "proven on labels"
    assert list(proof_lines(proof))[1] == "numbers: not compared, asked not to run"


def test_failed() -> None:
    proof = Proof(Replay(False, 3, ("different channels meet at conv 'c'",)), None, 1e-5, {})
    assert verdict(proof)[0] == "NOT EQUIVALENT"
    assert list(proof_lines(proof))[:2] == [
        "replay: FAILED",
        "  different channels meet at conv 'c'",
    ]


def test_approximate_groups_are_named_apart() -> None:
    approximate = {f"g{i}": ("layer norm 'n'",) for i in range(1, 11)}
    comparison = Comparison({"y": 1e-7}, runs=2)
    proof = Proof(REPLAY, comparison, 1e-5, approximate, shift=0.125, left_out=("g3",))
    assert list(proof_lines(proof))[3:] == [
        "approximate: g1, g2, g3, g4, g5, g6, g7, g8 and 2 more: a statistic is taken over the "
        "channels that are left",
        "  left whole in the comparison of numbers: g3",
        "  taken over all channels it would move the outputs by up to 12.5%",
    ]
