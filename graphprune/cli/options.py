"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
        help="Layers that stay whole: names of parameters, nodes or groups, with * and ?. "
        "May be given several times.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE.npz",
        help="Inputs to prove the result on, besides random ones: one array an input, named as "
        "the input, samples along the first axis. The first 8 samples are used.",
    ),
]
Run = Annotated[
    bool,
    typer.Option(
        "--run/--no-run",
        help="Run the models on onnxruntime to prove the result, or prove it on labels only.",
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
    bool, typer.Option("--verbose", "-v", help="Say more: every step, every group.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
