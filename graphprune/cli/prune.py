"""``graphprune prune``: narrow a model to a budget, prove it, write it, time it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from graphprune.cli import files, options
from graphprune.cli.failures import explained
from graphprune.cli.progress import Stages
from graphprune.errors import BackendError, BackendUnavailable, BadData, GraphpruneError

if TYPE_CHECKING:
    from graphprune.building import Built
    from graphprune.measure.paired import Comparison
    from graphprune.report.outcome import Outcome
    from graphprune.result import Result

NOT_EQUIVALENT = 1


class PruneCommand(TyperCommand):
    """Names methods and passes in its help; to import them is left until it is read."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fills in the names before the help is written."""
        for param in self.params:
            if param.name in options.NAMES and isinstance(param, typer.core.TyperOption):
                names = ", ".join(options.NAMES[param.name]())
                param.help = (param.help or "").replace("{names}", names)
        super().format_help(ctx, formatter)


def prune(
    model: options.Model,
    output: options.Output,
    macs: options.Macs = None,
    params: options.Params = None,
    memory: options.Memory = None,
    channels: options.Channels = None,
    method: options.Method = None,
    criterion: options.Criterion = None,
    allocation: options.Allocation = None,
    selection: options.Selection = None,
    round_to: options.RoundTo = None,
    keep: options.Keep = None,
    exact: options.Exact = False,
    plan: options.PlanFile = None,
    data: options.Data = None,
    run: options.Run = True,
    unproven: options.Unproven = False,
    shape: options.Shapes = None,
    bench: options.Bench = None,
    bench_seconds: options.BenchSeconds = 3.0,
    export: options.Export = None,
    overwrite: options.Overwrite = False,
    seed: options.Seed = 0,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Narrow a model to a budget, prove the result, write it and time it."""
    options.check_loudness(verbose, quiet)
    wanted = {"macs": macs, "params": params, "memory": memory, "channels": channels}
    chosen: dict[str, Any] = dict(method=method, criterion=criterion, allocation=allocation)
    chosen |= dict(selection=selection, round_to=round_to, keep=keep or None, exact=exact or None)
    _check(wanted, chosen, plan, data, run, bench)
    _check_files(model, output, overwrite)
    seconds = bench_seconds if bench is not False and run else 0.0
    with Stages(quiet=quiet, verbose=verbose) as stage:
        decide = _Decision(wanted, chosen, plan, data, run, files.shapes(shape), seed)
        outcome = _write(decide.result(model, stage), model, output, unproven, seconds, stage)
    _report(outcome, export, json, verbose, quiet)


@dataclass(frozen=True)
class _Decision:
    """What is asked for, as it came from the command line."""

    wanted: Mapping[str, str | None]
    chosen: Mapping[str, Any]
    plan: Path | None
    data: Path | None
    run: bool
    shapes: Mapping[str, tuple[int, ...]]
    seed: int

    def result(self, model: Path, stage: Stages) -> Result:
        """Narrows the model."""
        from graphprune import compiler

        common: dict[str, Any] = {"shapes": self.shapes, "run": self.run, "seed": self.seed}
        common["stage"] = stage
        budget: dict[str, Any] = {
            name: _amount(name, text) for name, text in self.wanted.items() if text is not None
        }
        plan = files.plan(self.plan) if self.plan is not None else None
        try:
            if plan is not None:
                feeds = files.proof_feeds(self.data, model, self.shapes)
                applied: Result = compiler.apply(model, plan, feeds=feeds, **common)
                return applied
            given = {name: value for name, value in self.chosen.items() if value is not None}
            data = files.calibration_feeds(self.data, model, self.shapes)
            pruned: Result = compiler.prune(model, data=data, **budget, **given, **common)
            return pruned
        except (BackendError, BackendUnavailable) as error:
            raise explained(error, model) from error


def _check(
    wanted: Mapping[str, str | None],
    chosen: Mapping[str, Any],
    plan: Path | None,
    data: Path | None,
    run: bool,
    bench: bool | None,
) -> None:
    """Refuses options that contradict each other, or say too little.

    Raises:
        BadParameter: They do.
    """
    budgets = [f"--{name}" for name, text in wanted.items() if text is not None]
    if plan is None and not budgets:
        raise typer.BadParameter(
            "give at least one of --macs, --params, --memory, --channels, or a --plan",
            param_hint="a budget",
        )
    others = [f"--{name.removesuffix('_to')}" for name, v in chosen.items() if v is not None]
    if plan is not None and (budgets or others):
        raise typer.BadParameter(
            f"the plan decides already, so {', '.join(budgets + others)} cannot be given",
            param_hint="--plan",
        )
    for name, given in (("--data", data is not None), ("--bench", bench is True)):
        if not run and given:
            raise typer.BadParameter("nothing is run with --no-run", param_hint=name)


def _check_files(model: Path, output: Path, overwrite: bool) -> None:
    """Refuses an output that cannot be written, or that would harm the input."""
    from graphprune.frontends.onnx import load

    files.check_output(model, output, overwrite)
    if not overwrite:
        files.check_data(load(model), output)


def _amount(name: str, text: str) -> float:
    """Reads a budget; the message says which option it was."""
    from graphprune.budget import parse_amount

    try:
        return parse_amount(text)
    except BadData as error:
        where = f"--{name} {text}"
        raise BadData(error.what, where=where, why=error.why, fix=error.fix) from error


def _write(
    result: Result, model: Path, output: Path, unproven: bool, seconds: float, stage: Stages
) -> Outcome:
    """Writes a proven model and times it."""
    from graphprune.frontends.onnx import load
    from graphprune.report.outcome import Outcome

    if not result.proof.ok and not unproven:
        return Outcome(result, None)
    stage("writing the model")
    before = files.model_bytes(result.inspection.lowered.model)
    # Saving may replace the original: it is kept in memory where it is needed again.
    baseline = _kept(model) if seconds and output.exists() and output.samefile(model) else model
    result.save(output, unproven=unproven)
    sizes = (before, files.model_bytes(load(output)))
    if not seconds:
        return Outcome(result, output, sizes)
    stage("timing both models in turns")
    try:
        timing = _timed(baseline, output, result, seconds, stage)
    except GraphpruneError as error:
        # The model is written and proven; that it could not be timed is no failure.
        return Outcome(
            result, output, sizes, untimed=": ".join(filter(None, (error.what, error.why)))
        )
    return Outcome(result, output, sizes, timing)


def _kept(model: Path) -> Any:
    import onnx

    return onnx.load(model)


def _timed(
    baseline: Any, output: Path, result: Result, seconds: float, stage: Stages
) -> Comparison:
    from graphprune.measure.models import compare
    from graphprune.measure.paired import Pairing

    return compare(
        baseline,
        output,
        shapes=result.inspection.lowered.inputs,
        options=Pairing(seconds=seconds, seed=result.plan.seed),
        progress=stage.share,
    )


def _exported(outcome: Outcome, spec: str | None) -> Built | None:
    """Builds an engine beside a proven model, where one was asked for."""
    if spec is None or outcome.output is None or not outcome.result.proof.ok:
        return None
    from graphprune.backends.base import get
    from graphprune.building import build_engine

    name, _, precision = spec.partition(":")
    how: dict[str, Any] = {"precision": precision or "fp32", "seed": outcome.result.plan.seed}
    shapes = outcome.result.inspection.lowered.inputs
    target = outcome.output.with_suffix(".engine")
    return build_engine(outcome.output, target, get(name), shapes=shapes, **how)


def _report(outcome: Outcome, export: str | None, json: bool, verbose: bool, quiet: bool) -> None:
    """Prints the outcome.

    Raises:
        Exit: The proof failed.
    """
    from graphprune.result import not_equivalent, plan_path

    result, output = outcome.result, outcome.output
    built = _exported(outcome, export)
    if json:
        from graphprune.report import documents

        document = {
            "output": str(output) if output else None,
            "plan": str(plan_path(output)) if output else None,
            **documents.result_document(result, outcome.sizes),
            "latency": outcome.timing.to_dict() if outcome.timing else None,
            **({"engine": built.to_dict()} if built else {}),
        }
        typer.echo(documents.dumped(document))
    elif not quiet:
        from graphprune.report import outcome as report
        from graphprune.report.tables import console

        report.show(console(), outcome, verbose=verbose)
        if built:
            typer.echo(f"wrote {built.path}: {built.conditions}")
    if not result.proof.ok:
        if not json:
            typer.echo(str(not_equivalent(result.proof)), err=True)
        raise typer.Exit(NOT_EQUIVALENT)
