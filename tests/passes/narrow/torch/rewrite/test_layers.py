"""What layers say about their own widths."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, halved, net  # noqa: E402

IMAGE, WORDS = tensor(2, 3, 6, 6), tensor(2, 5, 8)


@pytest.mark.parametrize(("groups", "after"), [(12, 6), (3, 3), (1, 1)])
def test_groups_of_convolutions(groups: int, after: int) -> None:
    found = net(
        lambda m, x: m.c(m.b(m.a(x))),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(12, 12, 3, groups=groups),
        c=nn.Conv2d(12, 4, 1),
    )
    weight = found.b.weight
    assert calls(found, "conv2d")[1].endswith(f", {after})" if groups > 1 else "p_b_bias)")
    assert weight.shape[1] * after == found.a.weight.shape[0] == 6


def test_groups_of_transposed_convolutions() -> None:
    found = net(
        lambda m, x: m.c(m.b(m.a(x))),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.ConvTranspose2d(12, 12, 3, groups=12),
        c=nn.Conv2d(12, 4, 1),
    )
    assert calls(found, "conv_transpose2d")[0].endswith(", 6)")


def test_an_image_without_a_batch() -> None:
    found = net(
        lambda m, x: m.c(m.b(m.a(x))),
        IMAGE[0],
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(12, 12, 3, groups=12),
        c=nn.Conv2d(12, 4, 1),
    )
    assert calls(found, "conv2d")[1].endswith(", 6)")


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm])
def test_normalised_shapes(norm: type) -> None:
    module = nn.Sequential(nn.Linear(8, 12), norm(12), nn.Linear(12, 3)).eval()
    found = halved(module, WORDS, exact=False)
    (call,) = calls(found, "layer_norm", "rms_norm")
    assert "[6]" in call


def test_groups_of_a_normalisation_stay_or_go_as_the_plan_says() -> None:
    module = nn.Sequential(nn.Conv2d(3, 12, 1), nn.GroupNorm(3, 12), nn.Conv2d(12, 3, 1)).eval()
    found = halved(module, IMAGE, exact=False)
    assert calls(found, "group_norm")[0].startswith("group_norm(conv2d, 3")
    found = halved(
        nn.Sequential(nn.Conv2d(3, 12, 1), nn.GroupNorm(12, 12), nn.Conv2d(12, 3, 1)).eval(), IMAGE
    )
    assert calls(found, "group_norm")[0].startswith("group_norm(conv2d, 6")


def test_the_scale_of_attention_stays_what_it_was() -> None:
    found = net(
        lambda m, x: m.b(
            functional.scaled_dot_product_attention(
                *m.a(x).view(2, 5, 3, 1, 16).permute(2, 0, 3, 1, 4)
            ).flatten(1)
        ),
        WORDS,
        a=nn.Linear(8, 48),
        b=nn.Linear(80, 3),
    )
    assert calls(found, "scaled_dot_product_attention")[0].endswith("scale=0.25)")


def test_a_scale_that_was_given_stays() -> None:
    found = net(
        lambda m, x: m.b(
            functional.scaled_dot_product_attention(
                *m.a(x).view(2, 5, 3, 1, 16).permute(2, 0, 3, 1, 4), scale=0.1
            ).flatten(1)
        ),
        WORDS,
        a=nn.Linear(8, 48),
        b=nn.Linear(80, 3),
    )
    assert calls(found, "scaled_dot_product_attention")[0].endswith("scale=0.1)")
