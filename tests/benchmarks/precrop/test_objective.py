"""What the widths of a run are worth, and how runs are compared."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from benchmarks.precrop.objective import compared, objective, problem_of  # noqa: E402


def run(method: str, seed: int, accuracy: float, kept: float = 0.5) -> dict[str, Any]:
    """A line of the record, all widths at one fraction."""
    groups = problem_of("resnet20-b").coupling
    widths = " ".join(f"{round(kept * group.width)}/{group.width}" for group in groups)
    named = {"experiment": "densities", "network": "resnet20-b", "schedule": "short", "budget": 0.5}
    return {**named, "method": method, "seed": seed, "accuracy": accuracy, "macs": kept,
            "widths": widths}  # fmt: skip


def test_a_network_at_half_its_widths_keeps_a_quarter_of_most_layers() -> None:
    """All but the first convolution and the classifier, which keep a half: 22 layers."""
    assert objective(run("uniform", 0, 40)) == pytest.approx(20 * -1.38629 + 2 * -0.69315, abs=1e-3)


def test_all_of_a_network_loses_nothing() -> None:
    assert objective(run("original", 0, 40, kept=1.0)) == 0


def test_methods_are_ranked_by_their_means() -> None:
    """Accuracy rises with what is kept; what was trained once is left out."""
    lines = [
        run(method, seed, accuracy + seed, kept)
        for method, accuracy, kept in (("a", 30.0, 0.25), ("b", 40.0, 0.5), ("c", 50.0, 0.75))
        for seed in range(2)
    ]
    text = "\n".join(compared([*lines, run("once", 0, 99)]))
    assert "accuracy by objective: ρ = +1.00" in text
    assert [row.split(" | ")[0] for row in text.splitlines() if "±" in row] == ["| c", "| b", "| a"]
    assert "once" not in text
