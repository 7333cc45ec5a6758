"""Options by type: those several commands share, and the many of ``prune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_BUDGET, _CHOICE, _PROOF = "Budget (at least one)", "What to cut", "Proof"

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.", show_default=False)]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME:1x3x224x224",
        help="Shape of an input that the model leaves open; once for every such input.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="PATTERN",
        rich_help_panel=_CHOICE,
        help="Layers that stay whole: names of parameters, nodes or groups, with * and ?. "
        "May be given several times.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE.npz",
        rich_help_panel=_PROOF,
        help="Inputs to prove the result on, besides random ones: one array an input, named as "
        "the input, samples along the first axis. The first 8 samples are run.",
    ),
]
Run = Annotated[
    bool,
    typer.Option(
        "--run/--no-run",
        rich_help_panel=_PROOF,
        help="Compare numbers on onnxruntime as well, or prove on labels only.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads within one operation; all cores if not given."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, errors too.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more; where graphprune fails, say where.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

Why = Annotated[
    str | None,
    typer.Option(
        "--why",
        metavar="LAYER",
        help="Explain one layer: the group of every axis with all its members, or the chain of "
        "operations to what froze it. A name, a part of one, or a pattern with * and ?.",
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="List every frozen axis with its reason.")]
Picture = Annotated[
    Path | None,
    typer.Option(
        "--picture",
        metavar="FILE.png|FILE.svg",
        help="Draw the layers with their widths and groups; what an embedded plan removed is "
        "hatched. Needs graphprune\\[plot].",
    ),
]

Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        show_default=False,
        help="The file to write. Its plan is written beside it: out.onnx, out.plan.json.",
    ),
]
Macs = Annotated[
    str | None,
    typer.Option(
        "--macs",
        metavar="AMOUNT",
        rich_help_panel=_BUDGET,
        help="Most multiply-accumulates: a fraction (0.5, 50%) or a number (1.2G).",
    ),
]
Params = Annotated[
    str | None,
    typer.Option(
        "--params", metavar="AMOUNT", rich_help_panel=_BUDGET, help="Most parameters: 0.5, 4M."
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="AMOUNT",
        rich_help_panel=_BUDGET,
        help="Most bytes of activations: 0.5, 64MiB.",
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        "--channels",
        metavar="FRACTION",
        rich_help_panel=_BUDGET,
        help="Fraction of every group that stays: 0.5, 50%.",
    ),
]


def _methods() -> list[str]:
    from graphprune.pipelines.methods import METHODS

    return list(METHODS)


def _criteria() -> list[str]:
    from graphprune.passes.score import criteria

    return list(criteria())


def _policies() -> list[str]:
    from graphprune.passes.allocate import policies

    return list(policies())


def _selectors() -> list[str]:
    from graphprune.passes.select import selectors

    return list(selectors())


NAMES = {
    "method": _methods,
    "criterion": _criteria,
    "allocation": _policies,
    "selection": _selectors,
}
"""What stands for {names} in the help of these options; imported when somebody asks."""


def _spec(name: str, about: str) -> Any:
    """An option that takes a name with options of its own, as ``pfp:delta=1e-8``."""
    return typer.Option(
        f"--{name}",
        metavar="SPEC",
        autocompletion=NAMES[name],
        show_default=False,
        rich_help_panel=_CHOICE,
        help=about,
    )


Method = Annotated[
    str | None,
    _spec(
        "method",
        "A published method: {names}. Its options follow a colon: pfp:delta=1e-8,sensitivity=edge; "
        "graphprune passes lists them, here and below.",
    ),
]
Criterion = Annotated[
    str | None,
    _spec("criterion", "How channels are ranked: {names}; the method's, or l2, if not given."),
]
Allocation = Annotated[
    str | None,
    _spec(
        "allocation",
        "How the budget is spread over the groups: {names}; the method's, or uniform, if not "
        "given.",
    ),
]
Selection = Annotated[
    str | None,
    _spec(
        "selection",
        "Which channels stay once their number is known: {names}; the method's, or top, if not "
        "given.",
    ),
]
RoundTo = Annotated[
    int | None,
    typer.Option(
        "--round",
        metavar="N",
        min=1,
        show_default=False,
        rich_help_panel=_CHOICE,
        help="Narrow to multiples of N channels.",
    ),
]
Exact = Annotated[
    bool,
    typer.Option(
        "--exact",
        rich_help_panel=_CHOICE,
        help="Keep groups whole whose narrowing changes a statistic (layer norms).",
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        rich_help_panel=_CHOICE,
        help="Apply this plan instead of making one; no budget then.",
    ),
]
Bench = Annotated[
    bool | None,
    typer.Option(
        "--bench/--no-bench",
        show_default=False,
        help="Time both models in turns on onnxruntime; done if not refused.",
    ),
]
BenchSeconds = Annotated[
    float, typer.Option("--bench-seconds", min=0.1, help="How long to time them.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Allow OUT to be the input model itself.")
]


def _exporter(spec: str | None) -> str | None:
    """Asks for the engine's builder before any work is done."""
    if spec is None:
        return None
    from graphprune.backends.base import get

    name, _, precision = spec.partition(":")
    if name != "tensorrt" or precision not in ("", "fp16", "bf16"):
        raise typer.BadParameter("write tensorrt, tensorrt:fp16 or tensorrt:bf16")
    get(name)
    return spec


Export = Annotated[
    str | None,
    typer.Option(
        "--export",
        metavar="tensorrt[:fp16]",
        callback=_exporter,
        help="Build an engine of the result as well, beside it: out.onnx, out.engine. See "
        "graphprune build, which has more options.",
    ),
]
Unproven = Annotated[
    bool,
    typer.Option(
        "--unproven",
        rich_help_panel=_PROOF,
        help="Write the model although its proof failed; the status is still 1.",
    ),
]
EmbeddedPlan = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="What was kept, if not the plan that SMALL carries."
    ),
]
Runs = Annotated[
    int, typer.Option("--runs", min=0, rich_help_panel=_PROOF, help="Number of random inputs.")
]


def check_loudness(verbose: bool, quiet: bool) -> None:
    """Refuses to be both.

    Raises:
        BadParameter: Both were asked for.
    """
    if verbose and quiet:
        raise typer.BadParameter("not together with --verbose", param_hint="--quiet")
