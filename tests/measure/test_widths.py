"""One group at several widths, on real engines for a moment and on made-up ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from graphprune.backends.clock import Timer
from graphprune.backends.onnxruntime import OnnxRuntime
from graphprune.data import Array
from graphprune.errors import BackendError, BadData
from graphprune.measure.latency_table import LatencyTable
from graphprune.measure.models import Setting
from graphprune.measure.widths import Place, Sampling, measure_widths, read_table
from tests.cli.running import DIGITS, net
from tests.measure.test_models import Wrong

SHORT = Sampling(rounds=3, block=0.001, warmup=0.0)
SETTING = Setting(OnnxRuntime(), threads=1)


def place(group: str = "g2", **how: Any) -> Place:
    return Place.of(net(), group, **how)


def test_widths_are_timed_with_the_full_width_in_every_round() -> None:
    shares: list[float] = []
    saved: list[LatencyTable] = []
    table = measure_widths(
        place(), [4, 2], SETTING, sampling=SHORT, save=saved.append, progress=shares.append
    )
    assert [sorted(one) for one in table.rounds] == [[2, 4, 8]] * 3
    assert [point.width for point in table.points] == [2, 4, 8]
    assert shares == [1 / 3, 2 / 3, 1.0]
    assert [len(one.rounds) for one in saved] == [1, 2, 3, 3]
    assert [len(one.readings) for one in saved] == [0, 0, 0, 1]
    assert saved[-1] == table
    assert table.subject.group == "g2"
    assert table.subject.width == 8
    assert table.subject.inputs == {"h2": (1, 16, 8, 8)}
    assert table.subject.conditions.threads == 1


def test_rounds_that_were_made_are_not_repeated() -> None:
    first = measure_widths(place(), [4], SETTING, sampling=SHORT)
    again = measure_widths(place(), [4], SETTING, sampling=SHORT, table=first)
    assert again == first
    more = measure_widths(place(), [4, 6], SETTING, sampling=SHORT, table=first)
    assert more.rounds[:3] == first.rounds
    assert [sorted(one) for one in more.rounds[3:]] == [[6, 8]] * 3


def test_a_table_of_something_else_is_not_continued() -> None:
    first = measure_widths(place(), [4], SETTING, sampling=SHORT)
    other = Setting(OnnxRuntime(), threads=2)
    with pytest.raises(BadData, match="the table is about something else") as caught:
        measure_widths(place(), [4], other, sampling=SHORT, table=first)
    assert "conditions" in str(caught.value.why)
    with pytest.raises(BadData, match="the table is about something else"):
        measure_widths(place("g1"), [4], SETTING, sampling=SHORT, table=first)


def test_the_whole_model_can_be_timed() -> None:
    whole = place(whole=True)
    assert [node.name for node in whole.model(4).graph.node] == ["a", "r", "b", "m", "c"]
    table = measure_widths(whole, [4], SETTING, sampling=SHORT)
    assert table.subject.whole
    assert table.subject.inputs == {"x": (1, 3, 8, 8)}


def test_order_within_rounds_is_random() -> None:
    calls: list[int] = []

    class Watching(OnnxRuntime):
        def build(self, model: Any, **how: Any) -> Any:
            engine = super().build(model, **how)
            [weight] = [one for one in model.graph.initializer if one.name == "b.weight"]
            plain = engine.timer

            def timer(feeds: Mapping[str, Array]) -> Timer:
                made = plain(feeds)

                def block(seconds: float) -> list[float]:
                    calls.append(weight.dims[0])
                    return made(seconds)

                return block

            engine.timer = timer  # type: ignore[method-assign]
            return engine

    sampling = Sampling(rounds=8, block=0.0, warmup=0.0)
    setting = Setting(Watching(), threads=1, check=False)
    measure_widths(place(), [2, 4], setting, sampling=sampling)
    rounds = [tuple(calls[at : at + 3]) for at in range(3, len(calls), 3)]  # first the warm-up
    assert all(sorted(one) == [2, 4, 8] for one in rounds)
    assert len(set(rounds)) > 1


def test_waiting_for_a_core_counts_for_short_calls_as_for_long_ones() -> None:
    class Shared(OnnxRuntime):
        """Width 4 takes 1 s a call, width 8 2 s; in every block the core is away for 6 s."""

        def build(self, model: Any, **how: Any) -> Any:
            engine = super().build(model, **how)
            [weight] = [one for one in model.graph.initializer if one.name == "b.weight"]
            blocks = {4: [1.0] * 5 + [7.0], 8: [2.0, 2.0, 8.0]}

            def timer(feeds: Mapping[str, Array]) -> Timer:
                return lambda seconds: blocks[weight.dims[0]]

            engine.timer = timer  # type: ignore[method-assign]
            return engine

    setting = Setting(Shared(), threads=1, check=False)
    assert measure_widths(place(), [4], setting, sampling=SHORT).point(4).ratio == (
        pytest.approx(0.5)
    )


@pytest.mark.parametrize(("widths", "what"), [([0], "width 0"), ([9], "width 9"), ([], "no width")])
def test_widths_that_cannot_be(widths: list[int], what: str) -> None:
    with pytest.raises(BadData, match=what) as caught:
        measure_widths(place(), widths, SETTING, sampling=SHORT)
    assert caught.value.why == "its full width is 8"


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(BadData, match="the model has no group 'g9'") as caught:
        place("g9")
    assert caught.value.why == "its groups: g1 to g2"


def test_wrong_outputs_are_not_timed() -> None:
    with pytest.raises(BackendError, match="computes something else than the model says"):
        measure_widths(place(), [4], Setting(Wrong()), sampling=SHORT)


def test_tables_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    assert read_table(path) is None
    table = measure_widths(Place.of(DIGITS, "g1"), [8], SETTING, sampling=SHORT)
    path.write_text(table.to_json())
    assert read_table(path) == table
    path.write_text("{}")
    with pytest.raises(BadData, match="the file is no latency table") as caught:
        read_table(path)
    assert caught.value.where == str(path)
