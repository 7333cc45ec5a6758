"""What the compiler makes of one module: a line of JSON.

Half of every group's channels go. The narrowed module must run, train one step, be proven against
the masked original, and give the same outputs as an ONNX file in onnxruntime. Stages are timed in
processor seconds of one thread; they are printed as they end, so that a run that is stopped shows
how far it came.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import graphprune
from benchmarks.zoo.modules.architectures import Architecture, architectures
from graphprune.errors import GraphpruneError

CHANNELS = 0.5


def report(**figures: Any) -> None:
    """Prints one line of JSON."""
    print(json.dumps(figures), flush=True)


def prune(architecture: Architecture) -> None:
    """Prunes a network and prints every stage."""
    module, example = architecture.build(), architecture.example()
    begun: dict[str, float] = {}

    def stage(name: str) -> None:
        begun[name] = time.process_time()

    result = graphprune.prune(module, example, channels=CHANNELS, stage=stage)
    marks = [*begun.values()]
    before, after = result.cost
    report(
        trace=begun["scoring channels by l2"] - marks[0],
        prune=marks[-1] - begun["scoring channels by l2"],
        form=result.narrowed.form,
        why="; ".join(result.narrowed.why),
        groups=len(result.groups),
        macs=after.macs / max(before.macs, 1),
        params=after.params / max(before.params, 1),
    )
    proof = result.proof
    failures = "; ".join(proof.replay.failures) or proof.why_not_run
    report(
        proven=proof.ok and proof.masked is not None,
        error=proof.masked.worst if proof.masked else None,
        precision=proof.masked.precision if proof.masked else None,
        left_out=", ".join(proof.left_out),
        failure=failures,
    )
    small = result.model
    report(forward=attempt(lambda: small.eval()(example)))
    report(backward=attempt(lambda: train(small, example)))
    report(onnx=attempt(lambda: exported(small.eval(), example)))


def attempt(call: Callable[[], Any]) -> str:
    """Whether a call succeeds: "yes", or its error in one line."""
    try:
        call()
    except GraphpruneError as error:
        return " ".join(f"{type(error).__name__}: {error.what}; {error.why or ''}".split())
    except Exception as error:  # whatever a network that was cut wrongly may raise
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "yes"


def train(module: torch.nn.Module, example: torch.Tensor) -> None:
    """One step of gradient descent in training mode.

    Raises:
        ValueError: A gradient is missing or not finite.
    """
    module.train()
    found = torch.utils._pytree.tree_leaves(module(example))
    loss = sum(x.float().square().mean() for x in found if isinstance(x, torch.Tensor))
    torch.optim.SGD(module.parameters(), lr=0.0)
    loss.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if not gradients or not all(bool(torch.isfinite(g).all()) for g in gradients):
        raise ValueError("gradients are missing or not finite")


def exported(module: torch.nn.Module, example: torch.Tensor) -> None:
    """Writes the module as ONNX and compares what it computes in onnxruntime."""
    with tempfile.TemporaryDirectory() as folder:
        done = graphprune.export(module, example, Path(folder) / "small.onnx")
        report(onnx_error=done.error)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("key", help="library/name")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    wanted = next(a for a in architectures() if a.key == given.key)
    try:
        prune(wanted)
    except GraphpruneError as error:
        report(refused=" ".join(f"{type(error).__name__}: {error.what}; {error.why}".split()))


if __name__ == "__main__":
    main()
