"""Numbers and names as people read them."""

from __future__ import annotations

import pytest

from graphprune.report.numbers import change, count, duration, human, shortened


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (845, "845"), (999, "999"), (1000, "1.00 k"), (13_069_568, "13.1 M"),
     (1.82e9, "1.82 G"), (999_600, "1.00 M"), (99_960, "100 k"), (2e18, "2000 P")],
)  # fmt: skip
def test_human(number: float, text: str) -> None:
    assert human(number) == text


def test_units() -> None:
    assert human(1_310_177, "B") == "1.31 MB"
    assert human(12, "B") == "12 B"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.50 s"), (12.34, "12.3 s"), (0.0123, "12.3 ms"), (9.9999e-4, "1.00 ms"),
     (9.1e-5, "91.0 µs"), (2.63e-4, "263 µs")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_change() -> None:
    assert change(200, 100) == "−50.0%"
    assert change(100, 138.4) == "+38.4%"
    assert change(0, 0) == ""


def test_count() -> None:
    assert count(1, "axis") == "1 axis"
    assert count(1234, "axis") == "1,234 axes"
    assert count(2, "group") == "2 groups"


@pytest.mark.parametrize(
    ("name", "width", "text"),
    [
        ("layer4.2.conv3", 20, "layer4.2.conv3"),
        # What exporters repeat goes first.
        ("/features/features.2/conv/conv.0/conv.0.0/Conv", 30, "/features.2/conv.0.0/Conv"),
        # Then long words; the numbers stay.
        (
            "features.denseblock1.denselayer12.conv2.weight",
            36,
            "featu….dense…1.dense…12.conv2.weight",
        ),
        ("blocks.11.attention.projection.weight", 20, "…11.att….proj….weig…"),
        ("a" * 50, 10, "a" * 9 + "…"),
        ("1234567890" * 3, 12, "12345…567890"),
    ],
)
def test_shortened(name: str, width: int, text: str) -> None:
    assert shortened(name, width) == text


@pytest.mark.parametrize("width", range(5, 60))
def test_shortened_names_fit(width: int) -> None:
    for name in ("encoder.layers.encoder_layer_0.self_attention.out_proj", "x" * 70, "1.2." * 20):
        assert len(shortened(name, width)) <= width
