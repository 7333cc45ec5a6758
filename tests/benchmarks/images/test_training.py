"""Training: the rate of every set-up, and resuming as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from benchmarks.images import data, networks  # noqa: E402
from benchmarks.images.training import RECIPES, Trainer, recipe_of  # noqa: E402


def trainer(epochs: int) -> Trainer:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (64, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (64,), generator=generator)
    images = data.Images(pixels, labels, data.SOURCES["fashion-mnist"])
    return Trainer(images, RECIPES["lenet"].shortened(epochs), seed=5)


def test_the_rate_warms_up_and_drops_as_for_residual_networks() -> None:
    recipe = recipe_of("resnet56")
    rates = [recipe.rate_at(epoch) for epoch in (1, 5, 90.9, 91, 136)]
    assert rates == pytest.approx([0.02, 0.1, 0.1, 0.01, 0.001])


def test_the_rate_of_vgg_halves_every_thirty_epochs() -> None:
    recipe = recipe_of("vgg16_bn")
    assert [recipe.rate_at(e) for e in (10, 30, 60, 299)] == pytest.approx(
        [0.05, 0.025, 0.0125, 0.05 / 2**9]
    )


def test_a_shorter_course_keeps_its_shape() -> None:
    short = recipe_of("resnet20").shortened(18)
    assert (short.epochs, short.drops) == (18, (9, 13))
    assert short.rate_at(18) == pytest.approx(0.001)


@pytest.mark.parametrize("name", ["resnet20-b", "vgg16_bn", "densenet22", "wrn16_8", "lenet5"])
def test_every_network_of_the_paper_has_a_recipe(name: str) -> None:
    assert name in networks.NETWORKS
    assert recipe_of(name).epochs >= 40


def test_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Three epochs in one go and in two give the same weights."""
    whole, parts = (networks.build("lenet300_100") for _ in range(2))
    trainer(3).train(whole)
    calls: list[int] = []

    def stop_after_two() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "run" / "epochs.pt"
    with pytest.raises(KeyboardInterrupt):
        trainer(3).train(parts, checkpoint, stop_after_two)
    fresh = networks.build("lenet300_100", seed=9)
    trainer(3).train(fresh, checkpoint)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    assert not fresh.training
