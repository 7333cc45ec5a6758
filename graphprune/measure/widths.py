"""One group timed at several widths in turns: the staircase that an engine makes of them.

Time does not fall evenly with the width: kernels work on blocks of 8, 16 or 32 channels, and a
width that fills a block costs no more than one that half fills it. Where the steps are must be
measured, for every engine, device, precision and shape.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import onnx

from graphprune.backends.base import Engine
from graphprune.backends.clock import Timer
from graphprune.data import Feeds
from graphprune.errors import BadData
from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.groups import Coupling, Group
from graphprune.measure import agreement, machine, section
from graphprune.measure.latency_table import LatencyTable, Subject
from graphprune.measure.machine import Readings
from graphprune.measure.models import Model, Setting, sample_feeds
from graphprune.passes.couple import couple

Save = Callable[[LatencyTable], None]


@dataclass(frozen=True)
class Sampling:
    """How widths are timed.

    Attributes:
        rounds: In how many rounds every width is timed.
        block: Seconds a block lasts; a call that takes longer is finished.
        warmup: Seconds every engine runs before its first block counts.
        seed: Seed of the order within rounds, and of random inputs.
    """

    rounds: int = 20
    block: float = 0.1
    warmup: float = 0.2
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Place:
    """A group in a model that was analysed.

    Attributes:
        lowered: The model.
        coupling: Its groups.
        group: The group.
        whole: Whether the whole model is timed, or the operations that have its channels.
    """

    lowered: Lowered
    coupling: Coupling
    group: Group
    whole: bool = False

    @classmethod
    def of(
        cls,
        model: Model,
        group: str,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        *,
        whole: bool = False,
    ) -> Place:
        """Analyses a model.

        Args:
            model: A path or a ModelProto.
            group: Name of the group: see `graphprune inspect`.
            shapes: Input shapes by name, where the model leaves them open.
            whole: Time the whole model.

        Raises:
            InvalidModel: It is not a usable ONNX model.
            BadData: It has no such group.
        """
        lowered = lower(load(model), shapes)
        coupling = couple(lowered.graph)
        names = [one.name for one in coupling]
        if group not in names:
            known = f"{names[0]} to {names[-1]}" if names else "none"
            raise BadData(
                f"the model has no group {group!r}",
                why=f"its groups: {known}",
                fix="graphprune inspect lists them",
            )
        return cls(lowered, coupling, coupling.group(group), whole)

    def model(self, width: int) -> onnx.ModelProto:
        """What is timed at one width."""
        model = section.narrowed(self.lowered, self.coupling, self.group, width)
        return model if self.whole else section.extract(model, self.coupling, self.group)[0]

    def feeds(self, seed: int) -> Feeds:
        """What it is timed on: random inputs, and what the model makes of them at the border."""
        model = section.narrowed(self.lowered, self.coupling, self.group, self.group.width)
        inputs = sample_feeds(model, self.lowered.inputs, seed)
        if self.whole:
            return inputs
        _, names = section.extract(model, self.coupling, self.group)
        return section.boundary(model, self.coupling.graph, names, inputs)


def measure_widths(
    place: Place,
    widths: Sequence[int],
    setting: Setting,
    *,
    sampling: Sampling | None = None,
    table: LatencyTable | None = None,
    save: Save | None = None,
    progress: Callable[[float], None] | None = None,
) -> LatencyTable:
    """Times one group at several widths, and at full width, to which the others are compared.

    Every round times one block of each width, in random order: what slows the machine down for a
    while slows all of them.

    Args:
        place: The group.
        widths: How many channels of it stay, in every row.
        setting: What is built, and whether it is checked before it is timed.
        sampling: Rounds and durations.
        table: What was measured before: rounds that it has are not repeated.
        save: Called with the table after every round.
        progress: Called after every round with the fraction that is done.

    Raises:
        BadData: A width is none, or the earlier table is about something else.
        BackendUnavailable: The engine is not installed.
        BackendError: It refuses a model, or an output is wrong.
    """
    sampling = sampling or Sampling()
    chosen = _checked_widths(widths, place.group)
    feeds = place.feeds(sampling.seed)
    with ExitStack() as stack:
        timers: dict[int, Timer] = {}
        for width in chosen:
            engine = stack.enter_context(closing(_built(place.model(width), feeds, setting)))
            timers[width] = _warm(engine, feeds, setting, sampling)
            subject = _subject(place, feeds, engine)
        table = _continued(table, subject)
        return _timed(table, timers, sampling, save or _ignored, progress or _ignored)


def _timed(
    table: LatencyTable,
    timers: Mapping[int, Timer],
    sampling: Sampling,
    save: Save,
    progress: Callable[[float], None],
) -> LatencyTable:
    """The table with the rounds that it lacked."""
    missing = {width: max(0, sampling.rounds - table.count(width)) for width in timers}
    order = random.Random(f"{sampling.seed} {len(table.rounds)}")
    total, before = max(missing.values()), machine.read()
    for done in range(total):
        lacking = [width for width in timers if missing[width] > done]
        turns = sorted({*lacking, table.subject.width})
        order.shuffle(turns)
        found = {width: _typical(timers[width](sampling.block)) for width in turns}
        table = table.with_round(dict(sorted(found.items())))
        save(table)
        progress((done + 1) / total)
    if total:
        table = table.with_readings(Readings(machine.describe(), before, machine.read()))
        save(table)
    return table


def _typical(block: list[float]) -> float:
    """What a call of a block took: the mean.

    Calls at full width may take twenty times as long as at the smallest. Where other work shares
    the cores, calls longer than the system's time slice are all interrupted, shorter ones now and
    then: medians, which leave that out, made 8 of 64 channels look three times as fast as they
    were. Blocks in which more happened than usual are drawn in among the rounds.
    """
    return sum(block) / len(block)


def _ignored(_: object) -> None:
    """Nobody asked."""


def read_table(path: Path) -> LatencyTable | None:
    """Reads a table, so that it can be continued.

    Args:
        path: The file; it need not exist.

    Raises:
        BadData: There is a file that holds no table.
    """
    if not path.exists():
        return None
    try:
        return LatencyTable.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadData("the table cannot be read", where=str(path), why=str(error)) from error
    except BadData as error:
        raise BadData(error.what, where=str(path), why=error.why) from error


def _checked_widths(widths: Sequence[int], group: Group) -> list[int]:
    """The widths and the full width, ascending.

    Raises:
        BadData: One is not between 1 and the full width.
    """
    wrong = [width for width in widths if not 1 <= width <= group.width]
    if wrong or not widths:
        raise BadData(
            f"group {group.name} cannot have width {wrong[0]}" if wrong else "no width is given",
            why=f"its full width is {group.width}",
        )
    return sorted({*widths, group.width})


def _built(model: onnx.ModelProto, feeds: Feeds, setting: Setting) -> Engine:
    """An engine whose outputs were compared, where they are to be."""
    engine = setting.build(model, feeds)
    if setting.check:
        quantised = agreement.is_quantised(model)
        agreement.check(engine, feeds, agreement.reference(model, feeds), quantised=quantised)
    return engine


def _warm(engine: Engine, feeds: Feeds, setting: Setting, sampling: Sampling) -> Timer:
    timer = engine.timer_with_transfers(feeds) if setting.transfers else engine.timer(feeds)
    timer(sampling.warmup)
    return timer


def _subject(place: Place, feeds: Feeds, engine: Engine) -> Subject:
    device = engine.conditions.device
    described = machine.describe()
    return Subject(
        model=place.lowered.model.sha256,
        group=place.group.name,
        width=place.group.width,
        members=tuple(map(str, place.group.members)),
        whole=place.whole,
        inputs={name: array.shape for name, array in feeds.items()},
        conditions=engine.conditions,
        machine=described.processor if device == "cpu" else ", ".join(described.gpus) or device,
    )


def _continued(table: LatencyTable | None, subject: Subject) -> LatencyTable:
    """The earlier table, or an empty one.

    Raises:
        BadData: The earlier one is about something else.
    """
    if table is None:
        return LatencyTable(subject, machine.describe())
    ours, theirs = subject.to_dict(), table.subject.to_dict()
    other = [name for name in ours if ours[name] != theirs[name]]
    if other:
        raise BadData(
            "the table is about something else, so it cannot be continued",
            why="; ".join(f"{name}: {theirs[name]}, now {ours[name]}" for name in other),
            fix="write another file, or remove this one",
        )
    return table
