"""The table of the module zoo."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

Figures = Mapping[str, Any]
EXACT = 1e-5

LEGEND = """\
Half of every group's channels were removed (`channels=0.5`, criterion `l2`) from networks with
random weights, batch 2, in a process of one thread for each.

* **class**: `module` where the narrowed network still is of its own class, `graph` where it had to
  become a GraphModule with the same parameter names; the reason is in `runs.jsonl`.
* **MACs**, **params**: after divided by before.
* **error**: largest relative difference of any output from the masked original; `f64` where float32
  could not tell rounding from a mistake and the comparison was made in float64.
* **runs**, **trains**: a forward pass; a forward and backward pass in training mode with finite
  gradients. **ONNX**: exported, and the largest relative difference of onnxruntime's outputs.
* **trace s**, **prune s**: processor seconds to trace and couple; to score, choose and rewrite
  (ours traces the result again to check it). **theirs**: torch-pruning's constructor and step.
* **torch-pruning**: whether its narrowed network runs and trains, or what went wrong.
* **ratio**: its seconds divided by ours, tracing included on both sides.
"""


def green(found: Figures) -> bool:
    """Whether everything that was tried held."""
    if found.get("refused"):
        return False
    tried = found.get("forward") == "yes" and found.get("backward") == "yes"
    if found["tool"] == "rival":
        return tried and found.get("params", 1.0) < 1.0
    return bool(tried and found.get("proven") and found.get("onnx") == "yes")


def problem(found: Figures) -> str:
    """Why a line is not green; empty where it is."""
    if green(found):
        return ""
    if found.get("refused"):
        return str(found["refused"])
    if found["tool"] == "ours" and not found.get("proven"):
        return f"not proven: {found.get('failure') or found.get('error')}"
    for stage in ("forward", "backward", "onnx"):
        if found.get(stage, "yes") != "yes":
            return f"{stage}: {found[stage]}"
    return "nothing was removed" if found["tool"] == "rival" else "stopped"


def seconds(found: Figures) -> float | None:
    """Processor seconds from the module to the narrowed module."""
    if "trace" not in found or "prune" not in found:
        return None
    return float(found["trace"]) + float(found["prune"])


def sentence(found: Figures) -> str:
    """A line of progress."""
    took = seconds(found)
    return f"{found['tool']} {found['key']}: {problem(found) or 'green'}" + (
        f" ({took:.1f} s)" if took is not None else ""
    )


def page(done: Mapping[tuple[str, str], Figures], keys: list[str], machine: str) -> str:
    """The table, and what it adds up to."""
    head = (
        "network", "class", "MACs", "params", "error", "runs", "trains", "ONNX",
        "trace s", "prune s", "torch-pruning", "theirs s", "ratio", "what is not green",
    )  # fmt: skip
    rows = [_row(key, done.get(("ours", key)), done.get(("rival", key))) for key in keys]
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = f"Machine: {machine}.\n" if machine else ""
    return f"# The module zoo, pruned\n\n{_summary(done, keys)}\n{LEGEND}\n{note}\n{text}\n"


def _summary(done: Mapping[tuple[str, str], Figures], keys: list[str]) -> str:
    ours = [done[("ours", key)] for key in keys if ("ours", key) in done]
    theirs = [done[("rival", key)] for key in keys if ("rival", key) in done]
    good = {found["key"] for found in ours if green(found)}
    rival = {found["key"] for found in theirs if green(found)}
    tried = {found["key"] for found in ours} & {found["key"] for found in theirs}
    own = sum(found.get("form") == "module" for found in ours)
    both = sorted(good & rival)
    ratios = [_ratio(done[("ours", key)], done[("rival", key)]) for key in both]
    known = [ratio for ratio in ratios if ratio is not None]
    middle = f"{median(known):.2f}" if known else "–"
    return (
        f"{len(ours)} of {len(keys)} networks were run: {len(good)} green, {own} in their own "
        f"class. torch-pruning 1.6.1: {len(theirs)} run, {len(rival)} green. Of {len(tried)} that "
        f"both were run on, green here and not there: {len(tried & good - rival)}; there and not "
        f"here: {len(tried & rival - good)}{_names(tried & rival - good)}. Median "
        f"ratio of the processor seconds where both are green (theirs / ours, {len(known)} "
        f"networks): {middle}.\n"
    )


def _names(keys: set[str]) -> str:
    return f" ({', '.join(sorted(keys))})" if keys else ""


def _ratio(ours: Figures, theirs: Figures) -> float | None:
    mine, other = seconds(ours), seconds(theirs)
    return other / mine if mine and other else None


def _row(key: str, ours: Figures | None, theirs: Figures | None) -> tuple[str, ...]:
    mine: Figures = ours or {"tool": "ours", "refused": "not run"}
    other: Figures = theirs or {"tool": "rival", "refused": "not run"}
    ratio = _ratio(mine, other)
    error = _number(mine.get("error"), ".1e")
    if mine.get("precision") == "float64":
        error += " f64"
    cells = (
        key, mine.get("form", "–"), _number(mine.get("macs"), ".3f"),
        _number(mine.get("params"), ".3f"), error, _said(mine, "forward"),
        _said(mine, "backward"), _number(mine.get("onnx_error"), ".1e"),
        _number(mine.get("trace"), ".1f"), _number(mine.get("prune"), ".1f"),
        problem(other) or "yes", _number(seconds(other), ".1f"), _number(ratio, ".2f"),
        problem(mine),
    )  # fmt: skip
    return tuple(str(cell).replace("|", "/").replace("\n", " ")[:160] for cell in cells)


def _said(found: Figures, stage: str) -> str:
    value = found.get(stage)
    return "–" if value is None else "yes" if value == "yes" else "no"


def _number(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)
