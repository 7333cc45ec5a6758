"""Feeds: drawn, read, checked and cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphprune.data import (
    Dim,
    Feeds,
    InputSpec,
    batches,
    check_feeds,
    load_feeds,
    mean,
    random_feeds,
)
from graphprune.errors import BadData


def spec(name: str, shape: tuple[Dim, ...], dtype: Any = "float32") -> InputSpec:
    return InputSpec(name, shape, np.dtype(dtype))


IMAGES = spec("images", ("batch", 3, 8, 8))
MASK = spec("mask", ("batch", None), "int64")


def message(specs: list[InputSpec], feeds: Feeds, **options: Any) -> str:
    with pytest.raises(BadData) as caught:
        check_feeds(feeds, specs, **options)
    return str(caught.value)


def test_specs_print_and_become_concrete() -> None:
    assert str(MASK) == "mask: int64[batch,?]"
    assert MASK.concrete() == (1, 1)
    assert MASK.concrete({"batch": 4}, default=7) == (4, 7)
    assert MASK.symbols == ("batch",)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "complex64"])
def test_random_floats_vary_and_are_repeatable(dtype: str) -> None:
    one = random_feeds([spec("x", (4, 5), dtype)])["x"]
    assert one.dtype == dtype
    assert len(np.unique(one)) > 15
    assert np.array_equal(one, random_feeds([spec("x", (4, 5), dtype)])["x"])
    assert not np.array_equal(one, random_feeds([spec("x", (4, 5), dtype)], seed=1)["x"])


def test_random_floats_of_a_type_numpy_does_not_know() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    drawn = random_feeds([spec("x", (100,), ml_dtypes.bfloat16)])["x"]
    assert drawn.dtype == ml_dtypes.bfloat16
    assert np.isfinite(drawn.astype(np.float32)).all()


def test_random_integers_are_small_and_booleans_true() -> None:
    feeds = random_feeds(
        [spec("ids", (2, 50), "int64"), spec("byte", (2, 50), "uint8"), spec("on", (9,), "bool")]
    )
    assert set(np.unique(feeds["ids"])) == {0, 1}
    assert feeds["byte"].dtype == np.uint8
    assert feeds["on"].all()
    assert random_feeds([spec("ids", (500,), "int32")], integers=9)["ids"].max() == 8


def test_random_feeds_make_symbolic_sizes_concrete() -> None:
    feeds = random_feeds([IMAGES, MASK], dims={"batch": 2}, default=5)
    assert feeds["images"].shape == (2, 3, 8, 8)
    assert feeds["mask"].shape == (2, 5)


def test_random_feeds_refuse_an_unknown_symbol() -> None:
    with pytest.raises(BadData) as caught:
        random_feeds([IMAGES, MASK], dims={"N": 2})
    assert str(caught.value) == (
        "BadData: no input has a symbolic size named 'N'\n  why:   the symbolic sizes are: batch"
    )


def test_random_feeds_refuse_strings() -> None:
    with pytest.raises(BadData, match="cannot draw random values for input 'text'"):
        random_feeds([spec("text", (1,), "object")])


def test_feeds_are_read_in_the_order_of_the_model(tmp_path: Path) -> None:
    feeds = random_feeds([MASK, IMAGES], dims={"batch": 2})
    np.savez(tmp_path / "x.npz", images=feeds["images"], mask=feeds["mask"], labels=np.arange(2))
    read = load_feeds(tmp_path / "x.npz", [IMAGES, MASK], beside=["labels"])
    assert list(read) == ["images", "mask", "labels"]
    assert all(np.array_equal(read[name], feeds[name]) for name in feeds)


def test_unexpected_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, image=np.zeros(1), mask=np.zeros((2, 1), dtype=np.int64))
    with pytest.raises(BadData) as caught:
        load_feeds(path, [IMAGES, MASK])
    assert str(caught.value) == (
        "BadData: the names do not match the model's inputs\n"
        f"  where: {path}\n"
        "  why:   missing: images; unknown: image\n"
        "  fix:   give exactly these inputs: images: float32[batch,3,8,8]; mask: int64[batch,?]"
    )


def test_differences_are_named() -> None:
    image, mask = np.zeros((2, 3, 8, 8), np.float32), np.zeros((2, 4), np.int64)
    check_feeds({"images": image, "mask": mask}, [IMAGES, MASK])
    both = [IMAGES, MASK]
    assert "its elements are float64, expected float32" in message(
        both, {"images": image.astype(np.float64), "mask": mask}
    )
    assert "it has shape (2, 3, 8), expected 4 axes" in message(
        both, {"images": image[..., 0], "mask": mask}
    )
    assert "axis 1 has size 2, expected 3" in message(both, {"images": image[:, :2], "mask": mask})
    assert "axis 0 (batch) has size 1, but 2 in 'images'" in message(
        both, {"images": image, "mask": mask[:1]}
    )


def test_samples_may_outnumber_a_fixed_batch() -> None:
    fixed, data = [spec("x", (1, 3))], {"x": np.zeros((256, 3), np.float32)}
    assert "axis 0 has size 256, expected 1" in message(fixed, data)
    check_feeds(data, fixed, samples=True)
    assert "axis 1 has size 2, expected 3" in message(fixed, {"x": data["x"][:, :2]}, samples=True)


def test_files_that_are_no_archives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not an archive")
    (tmp_path / "empty.npz").touch()
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object))
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, x=np.arange(10_000))
    content = bytearray(whole.read_bytes())
    content[300:400] = bytes(100)
    (tmp_path / "damaged.npz").write_bytes(content)
    for name in ("text.npz", "empty.npz", "one.npy", "objects.npz", "damaged.npz"):
        with pytest.raises(BadData) as caught:
            load_feeds(tmp_path / name, [spec("x", (3,))])
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.fix == "write it with numpy.savez(path, **{input name: array})"
    with pytest.raises(BadData, match="no such file"):
        load_feeds(tmp_path / "absent.npz", [spec("x", (3,))])


def test_batches() -> None:
    feeds = {"x": np.arange(10).reshape(5, 2), "y": np.arange(5)}
    cut = list(batches(feeds, 2))
    assert [one["y"].tolist() for one in cut] == [[0, 1], [2, 3], [4]]
    assert cut[1]["x"].tolist() == [[4, 5], [6, 7]]
    assert np.shares_memory(cut[0]["x"], feeds["x"])
    assert len(list(batches(feeds, 2, drop_last=True))) == 2
    assert list(batches(feeds, 9, drop_last=True)) == []
    with pytest.raises(BadData, match=r"differ in their number of samples\n  why:   x: 5, z: 4"):
        list(batches({"x": feeds["x"], "z": np.arange(4)}, 2))
    with pytest.raises(BadData, match="batches of 0 samples"):
        list(batches(feeds, 0))
    with pytest.raises(BadData):
        list(batches({"x": np.float32(1) * np.ones(())}, 1))


def test_arrays_are_averaged_over_batches() -> None:
    found = mean({"a": np.full(2, x, np.float32), "b": np.array(2 * x)} for x in (1.0, 2.0, 6.0))
    assert found["a"].tolist() == [3, 3] and found["a"].dtype == np.float32
    assert found["b"] == 6
    one = {"a": np.ones(2)}
    assert mean([one, one])["a"].tolist() == [1, 1]
    assert one["a"].tolist() == [1, 1]


def test_no_batches_have_no_mean() -> None:
    with pytest.raises(BadData, match="data holds no batches"):
        mean([])
