"""Options that say which engine, and what a command makes of them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphprune.errors import BackendUnavailable, BadData

if TYPE_CHECKING:
    from graphprune.backends.base import Backend, Precision
    from graphprune.backends.isolated import Isolated
    from graphprune.data import InputSpec
    from graphprune.measure.models import Setting

_ENGINE = "Engine"

BackendName = Annotated[
    str,
    typer.Option(
        "--backend", metavar="NAME", rich_help_panel=_ENGINE, help="See graphprune backends."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        rich_help_panel=_ENGINE,
        help="An option of the backend, such as provider=cuda; may be given several times.",
    ),
]
Half = Annotated[bool, typer.Option("--fp16", rich_help_panel=_ENGINE, help="Compute in float16.")]
Brain = Annotated[
    bool, typer.Option("--bf16", rich_help_panel=_ENGINE, help="Compute in bfloat16.")
]
IsolatedProcess = Annotated[
    bool,
    typer.Option(
        "--isolated",
        rich_help_panel=_ENGINE,
        help="Run every engine in a process of its own: it may crash or hang.",
    ),
]
Python = Annotated[
    Path | None,
    typer.Option(
        "--python",
        metavar="PATH",
        rich_help_panel=_ENGINE,
        help="The interpreter that has the engine, beside numpy and onnx; implies --isolated.",
    ),
]
Limit = Annotated[
    float | None,
    typer.Option(
        "--limit",
        min=0.1,
        metavar="SECONDS",
        rich_help_panel=_ENGINE,
        help="What an isolated engine may take to build, and for one run; 600 and 60 if not given.",
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="BYTES",
        rich_help_panel=_ENGINE,
        help="Address space an isolated engine may have: 4GiB. On Linux.",
    ),
]
Transfers = Annotated[
    bool,
    typer.Option(
        "--with-transfers",
        help="Time whole calls, inputs to the device and outputs back included.",
    ),
]
PerLayer = Annotated[
    bool, typer.Option("--per-layer", help="Watch single layers as well, before and after.")
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="OUT.png|OUT.svg",
        help="Draw speed-ups against MACs or batch sizes, and layers. Needs graphprune\\[plot].",
    ),
]
Staircase = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="OUT.png|OUT.svg",
        help="Draw time against width. Needs graphprune\\[plot].",
    ),
]
JsonOrFile = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document on stdout, errors too; with OUT.json after it, as --samples.",
    ),
]
Batches = Annotated[
    str | None,
    typer.Option("--batch", metavar="1,8,64", help="Measure at each of these batch sizes."),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check/--no-check",
        help="Compare outputs with onnxruntime without optimisation before timing anything.",
    ),
]
Samples = Annotated[
    Path | None,
    typer.Option(
        "--samples",
        metavar="OUT.json",
        help="Write the results with the duration of every call to a file.",
    ),
]


def backend(
    name: str,
    settings: list[str] | None = None,
    isolated: bool = False,
    python: Path | None = None,
    limit: float | None = None,
    memory: str | None = None,
) -> Backend:
    """The engine that the options name.

    Args:
        name: Of the backend.
        settings: Its own options, such as ``provider=cuda``.
        isolated: Whether it is to have processes of its own.
        python: The interpreter of these; implies them.
        limit: Seconds for a build and for a run in them.
        memory: Bytes of address space that each may have, such as ``4GiB``.

    Raises:
        BackendUnavailable: It cannot be used here.
        BadData: It has no such option, or a limit is given without a process to limit.
    """
    from graphprune.backends.base import get, make
    from graphprune.backends.isolated import Isolated

    kind, interpreter = make(name), str(python) if python else None
    chosen, room = _settings(kind, settings or []), _bytes(memory)
    if getattr(kind, "isolates", False):
        # Its engines have processes of their own in any case, and limits of their own.
        own = {"python": interpreter, "build_limit": limit, "memory_limit": room}
        return get(name, **chosen, **{key: value for key, value in own.items() if value})
    if isolated or python is not None:
        limits: dict[str, Any] = {"build_limit": limit, "run_limit": limit} if limit else {}
        made = make(name, **chosen)
        return _isolated(Isolated(made, interpreter, **limits, memory_limit=room))
    for given, word in ((limit, "ended"), (memory, "limited")):
        if given is not None:
            what = f"only an engine in a process of its own can be {word}"
            raise BadData(what, fix="add --isolated")
    return get(name, **chosen)


def _isolated(made: Isolated) -> Isolated:
    """Refuses a backend that its process cannot use."""
    from graphprune.backends.base import missing

    reason = made.available()
    if reason is not None:
        raise BackendUnavailable(
            f"backend {made.backend.name!r} cannot be used in that process",
            why=reason,
            fix=missing(made, reason).fix,
        )
    return made


def _bytes(text: str | None) -> int | None:
    """Reads ``--memory-limit``.

    Raises:
        BadData: It is no number of bytes.
    """
    from graphprune.budget import parse_amount

    if text is None:
        return None
    try:
        amount = parse_amount(text)
    except BadData as error:
        raise BadData(f"'{text}' is no number of bytes", where="--memory-limit") from error
    if amount <= 1:
        raise BadData(f"'{text}' is no number of bytes", where="--memory-limit", fix="write 4GiB")
    return int(amount)


def _settings(made: Any, texts: list[str]) -> dict[str, Any]:
    """Reads ``--option``; values are words, true or false."""
    known = [one.name for one in fields(made) if isinstance(getattr(made, one.name), str | bool)]
    found: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in known or not value:
            raise BadData(
                f"'{text}' is no option of {made.name}",
                where="--option",
                fix=f"write KEY=VALUE; its options: {', '.join(known)}",
            )
        found[key] = {"true": True, "false": False}.get(value, value)
    return found


def setting(
    made: Backend,
    half: bool,
    brain: bool,
    threads: int | None,
    check: bool,
    transfers: bool = False,
) -> Setting:
    """What models are built for, and how they are timed.

    Args:
        made: The engine.
        half: Whether ``--fp16`` was given.
        brain: Whether ``--bf16`` was given.
        threads: Threads within one operation.
        check: Whether outputs are compared first.
        transfers: Whether whole calls are timed.

    Raises:
        BadData: Both precisions were given.
    """
    from graphprune.measure.models import Setting

    return Setting(made, None, precision(half, brain), threads, check, transfers)


def precision(half: bool, brain: bool) -> Precision:
    """Reads ``--fp16`` and ``--bf16``.

    Raises:
        BadData: Both were given.
    """
    if half and brain:
        raise BadData("--fp16 and --bf16 exclude each other")
    return "fp16" if half else "bf16" if brain else "fp32"


def batches(text: str | None) -> list[int]:
    """Reads ``--batch``: numbers, in the order given; none where it was not.

    Raises:
        BadData: One is no positive number.
    """
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise BadData(f"'{text}' holds something else than batch sizes", where="--batch")
    return list(dict.fromkeys(map(int, parts)))


def batched(
    specs: tuple[InputSpec, ...], shapes: dict[str, tuple[int, ...]], size: int
) -> dict[str, tuple[int, ...]]:
    """Shapes with another batch size, for every input that leaves it open.

    Args:
        specs: The model's inputs.
        shapes: A shape for each.
        size: The batch size.

    Raises:
        BadData: No input leaves it open, and none has this one.
    """
    free = [spec for spec in specs if spec.shape and not isinstance(spec.shape[0], int)]
    if not free and not any(spec.shape[:1] == (size,) for spec in specs):
        raise BadData(
            f"the model cannot run a batch of {size}",
            why="its batch size is fixed: " + "; ".join(map(str, specs)),
            fix="export it with an open batch size",
        )
    return {**shapes, **{spec.name: (size, *shapes[spec.name][1:]) for spec in free}}
