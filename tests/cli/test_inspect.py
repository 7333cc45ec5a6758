"""``graphprune inspect``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import DIGITS, document, names, net, run, saved


def test_groups_costs_and_coverage() -> None:
    result = run("inspect", DIGITS)
    assert result.exit_code == 0
    assert "g5        64  stage2.0.outer.0 +2" in result.stdout
    assert "13.1 M MACs" in result.stdout
    assert "1.31 MB on disk" in result.stdout
    assert "results of 17 of 17 convolutions and 0 of 1 linear layer" in result.stdout
    assert "head axis 0 (10): 'logits' is an output of the graph" in result.stdout


def test_json_holds_everything() -> None:
    found = document(run("inspect", DIGITS, "--json"))
    assert found["cost"] == {
        "params": 322826,
        "macs": 13069568,
        "memory": 676432,
        "bytes": DIGITS.stat().st_size,
    }
    assert found["inputs"] == {"images": {"shape": [1, 1, 8, 8], "dtype": "float32"}}
    assert found["shapes_assumed"] == ["images"]
    assert [group["width"] for group in found["groups"]] == [32, 32, 32, 64, 64, 64, 128, 256, 256]
    assert found["groups"][0]["members"][0] == {"param": "stem.0.weight", "axis": 0, "role": "out"}
    assert 0.28 < found["groups"][0]["macs_share"] < 0.29
    assert found["coverage"]["convolution"] == {"layers": 17, "prunable": 17}
    assert {"param": "head.weight", "axis": 0}.items() <= found["frozen"][-1].items()


def test_shape_changes_the_cost(tmp_path: Path) -> None:
    path = saved(tmp_path, net(size="S"))
    small = document(run("inspect", path, "--json", "--shape", "x:1x3x8x8"))
    large = document(run("inspect", path, "--json", "--shape", "x:1x3x16x16"))
    assert large["cost"]["macs"] == 4 * small["cost"]["macs"]
    assert small["shapes_assumed"] == []


def test_keep_is_reported() -> None:
    assert (
        "kept whole as asked: g1, g2" in run("inspect", DIGITS, "--keep", "stage1.0.inner.0").stdout
    )


def test_why_lists_members_of_a_group() -> None:
    text = run("inspect", DIGITS, "--why", "stage2.0.inner.0").stdout
    assert "axis 0 (64): in group g4: 64 channels" in text
    assert "stage2.0.outer.0.weight.1" in text
    assert "the kernel's window, never narrowed" in text


def test_why_gives_the_chain_that_froze(tmp_path: Path) -> None:
    path = saved(tmp_path, net(foreign=True))
    text = run("inspect", path, "--why", "b.weight").stdout
    assert "axis 0 (8): frozen" in text
    assert "→ acme::Magic 'm': there is no rule for this operator" in text
    explained = document(run("inspect", path, "--why", "b", "--json"))["why"]
    assert [e["param"] for e in explained] == ["b.weight"]
    assert explained[0]["axes"][0]["frozen"][-1].startswith("acme::Magic 'm'")
    assert explained[0]["axes"][1]["groups"] == ["g1"]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_picture(tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"digits.{ending}"
    assert run("inspect", DIGITS, "--picture", target).exit_code == 0
    start = target.read_bytes()[:6]
    assert start == b"\x89PNG\r\n" if ending == "png" else start == b"<?xml "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--why", "nope"), "BadData: no layer is called 'nope'"),
        (("--keep", "nope"), "BadData: --keep 'nope' matches no layer"),
        (("--shape", "x"), "BadData: 'x' is not a shape"),
        (("--shape", "y:1x1"), "InvalidModel: there is no input 'y'"),
        (("--picture", "x.pdf"), "BadData: a picture cannot be written as '.pdf'"),
        (("--picture", "no/x.png"), "BadData: the folder of the output does not exist"),
    ],
)
def test_bad_options(words: tuple[str, ...], message: str) -> None:
    result = run("inspect", DIGITS, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_bad_models(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "cut.onnx").write_bytes(DIGITS.read_bytes()[:300_000])
    for name in ("text.onnx", "empty.onnx", "cut.onnx", "missing.onnx", "."):
        result = run("inspect", tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("InvalidModel: ")
    assert names(tmp_path) == ["cut.onnx", "empty.onnx", "text.onnx"]
