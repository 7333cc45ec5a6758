"""The benchmarks' images: two layouts of the folder, normalised, cropped and mirrored."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks.images import data  # noqa: E402

SOURCE = data.SOURCES["fashion-mnist"]


def images(count: int = 6) -> data.Images:
    pixels = torch.arange(count * 16).reshape(count, 1, 4, 4).to(torch.uint8)
    return data.Images(pixels, torch.arange(count), SOURCE)


def write_pack(
    path: Path, damaged: bool = False
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One sheet of 2 x 3 images, 4 pixels a side."""
    picture = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    sheet = pixels.reshape(2, 3, 4, 4, 3).swapaxes(1, 2).reshape(8, 12, 3)
    about = {"n": 6, "hw": [4, 4], "channels": 3, "rows": 2, "cols": 3}
    digest = hashlib.sha256(b"" if damaged else pixels.tobytes()).hexdigest()
    with zipfile.ZipFile(path, "w") as archive:
        stored, labels = io.BytesIO(), io.BytesIO()
        picture.fromarray(sheet).save(stored, "png")
        np.save(labels, np.arange(6, dtype=np.uint8))
        archive.writestr("sheet_000.png", stored.getvalue())
        archive.writestr("labels.npy", labels.getvalue())
        archive.writestr("meta.json", json.dumps({**about, "pixels_sha256": digest}))
    return pixels


def test_packs_are_read_one_after_another(tmp_path: Path) -> None:
    pixels = write_pack(tmp_path / "cifar10_train_part0.zip")
    write_pack(tmp_path / "cifar10_train_part1.zip")
    found = data.load("cifar10", "train", tmp_path)
    assert found.pixels.shape == (12, 3, 4, 4)
    assert np.array_equal(found.pixels[:6].permute(0, 2, 3, 1).numpy(), pixels)
    assert data.load("cifar10", "train", tmp_path, count=8).labels.tolist() == [*range(6), 0, 1]


def test_a_damaged_pack_is_refused(tmp_path: Path) -> None:
    write_pack(tmp_path / "cifar10_train_part0.zip", damaged=True)
    with pytest.raises(SystemExit, match="is damaged: its pixels do not have the checksum"):
        data.load("cifar10", "train", tmp_path)


def test_without_a_folder_it_is_said_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(data.VARIABLE, raising=False)
    with pytest.raises(SystemExit, match="give --data DIR or set GRAPHPRUNE_DATA to a folder"):
        data.folder_of(None)
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    assert data.folder_of(None) == tmp_path


def test_pixels_are_normalised_and_shrunk_by_averaging() -> None:
    found = data.Images(torch.full((1, 1, 4, 4), 255), torch.zeros(1), SOURCE, shrink=2)
    (mean,), (deviation,) = SOURCE.mean, SOURCE.deviation
    expected = torch.full((1, 1, 2, 2), (1 - mean) / deviation)
    torch.testing.assert_close(found.normalised(found.pixels), expected)
    assert found.shape == (1, 2, 2)


def test_every_image_is_cropped_and_mirrored_by_itself() -> None:
    """Every result is a window of the image in a black border, mirrored or not."""
    pixels = torch.arange(1, 17).reshape(1, 1, 4, 4).expand(200, 1, 4, 4).to(torch.uint8)
    found = data.augmented(pixels, 1, torch.Generator().manual_seed(0))
    framed = torch.nn.functional.pad(pixels[0, 0], (1, 1, 1, 1))
    windows = [framed[i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    allowed = {tuple(w.flatten().tolist()) for w in [*windows, *(w.flip(1) for w in windows)]}
    assert {tuple(image.flatten().tolist()) for image in found} == allowed


def test_an_epoch_depends_on_the_seed_and_its_number_alone() -> None:
    def labels(seed: int, epoch: int) -> list[int]:
        return [int(x) for _, part in images().shuffled(2, seed, epoch) for x in part]

    assert sorted(labels(0, 0)) == list(range(6))
    assert labels(0, 3) == labels(0, 3)
    assert len({tuple(labels(0, epoch)) for epoch in range(5)}) > 1
