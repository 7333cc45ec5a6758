"""The benchmarks' networks: as large as the literature says, and prunable."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphprune

torch = pytest.importorskip("torch")

from benchmarks.images import networks  # noqa: E402

PARAMETERS = {
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet20-b": 272_474,
    "resnet32-b": 466_906,
    "resnet44-b": 661_338,
    "resnet56-b": 855_770,
    "vgg16_bn": 14_728_266,
    "densenet22": 290_986,
    "wrn16_8": 10_961_370,
    "lenet300_100": 266_610,
    "lenet5": 431_080,
    # torchvision's with 10 classes instead of 1,000, and with one colour instead of three.
    "mobilenet_v2": 3_504_872 - 990 * 1281,
    "efficientnet_b0": 5_288_548 - 990 * 1281,
    "mobilenet_v2-grey": 3_504_872 - 990 * 1281 - 2 * 32 * 9,
    "efficientnet_b0-grey": 5_288_548 - 990 * 1281 - 2 * 32 * 9,
}
SMALL = ("resnet20", "densenet22", "lenet300_100", "lenet5")
LARGE = [name for name in PARAMETERS if name not in SMALL]


def proven_at_half_width(name: str) -> None:
    example = torch.zeros(2, *networks.NETWORKS[name].shape)
    result = graphprune.prune(networks.build(name), example, channels=0.5)
    assert result.proof.ok
    assert result.proof.masked is not None
    assert result.cost[1].params < 0.6 * result.cost[0].params
    assert result.model(example).shape == (2, 10)


def test_every_network_is_counted_here() -> None:
    assert sorted(networks.NETWORKS) == sorted(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_as_many_parameters_as_the_literature_says(name: str) -> None:
    network = networks.build(name)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", SMALL)
def test_a_network_is_pruned_to_half_its_width_and_proven(name: str) -> None:
    proven_at_half_width(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_network_is_pruned_to_half_its_width_and_proven(name: str) -> None:
    proven_at_half_width(name)


@pytest.mark.parametrize("name", ["vgg16_bn", "resnet20", "densenet22", "wrn16_8"])
def test_a_network_for_cifar_takes_smaller_images_too(name: str) -> None:
    with torch.no_grad():
        assert networks.build(name).eval()(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(7)
    one = networks.build("lenet5", seed=1).fc1.weight
    torch.manual_seed(8)
    assert torch.equal(one, networks.build("lenet5", seed=1).fc1.weight)
    assert not torch.equal(one, networks.build("lenet5", seed=2).fc1.weight)


def test_released_weights_are_found_anywhere_below_a_folder(tmp_path: Path) -> None:
    """They were written from a DataParallel, whose names begin with ``module.``."""
    trained = networks.build("resnet20", seed=3)
    states = {f"module.{name}": value for name, value in trained.state_dict().items()}
    (tmp_path / "below").mkdir()
    torch.save({"state_dict": states}, tmp_path / "below" / "resnet20-12fca82f.th")
    found = networks.pretrained("resnet20", tmp_path)
    assert found is not None
    assert torch.equal(found.linear.weight, trained.linear.weight)
    assert networks.pretrained("resnet56", tmp_path) is None
    assert networks.pretrained("vgg16_bn", tmp_path) is None
