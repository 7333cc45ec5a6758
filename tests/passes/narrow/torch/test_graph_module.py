"""A traced module as a narrower graph module: called, trained, saved like the original."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.torch.graph_module import rewritten  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, halved, net  # noqa: E402

IMAGE = tensor(4, 3, 6, 6)
BATCH = (({0: torch.export.Dim("batch")},),)


class Classifier(nn.Module):  # type: ignore[misc]
    """A residual network with all that modules hold: tied weights, buffers, unused parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12))
        self.drop = nn.Dropout(0.5)
        self.deep = nn.Conv2d(12, 12, 3, padding=1, groups=4)
        self.head = nn.Linear(12, 5)
        self.spare = nn.Linear(2, 2)
        self.again = self.head
        self.register_buffer("gain", torch.ones(12), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Any, bias: Any = None, *, tail: bool = True) -> Any:
        x = self.drop(self.stem(x).relu())
        x = (x + self.deep(x)).mean((2, 3)) * self.gain
        return {"logits": self.head(x), "both": (self.again(x), x.shape[0])}


def whole(module: Any, *inputs: Any, **keywords: Any) -> Any:
    """A module rewritten with all of its channels."""
    traced = trace(module, inputs, keywords)
    coupling = couple(traced.graph)
    return rewritten(traced, coupling, coupling.everything())


@pytest.fixture
def original() -> Any:
    torch.manual_seed(0)
    return Classifier().eval()


def test_at_full_width_it_computes_the_same(original: Any) -> None:
    found, wanted = whole(original, IMAGE)(IMAGE), original(IMAGE)
    assert type(found) is dict and list(found) == ["logits", "both"]
    assert torch.equal(found["logits"], wanted["logits"]) and found["both"][1] == 4
    assert torch.equal(found["both"][0], wanted["both"][0])


def test_at_full_width_it_trains_the_same(original: Any) -> None:
    narrowed = whole(original, IMAGE)
    for module in (narrowed, original):
        torch.manual_seed(1)
        module.train()(IMAGE)["logits"].square().mean().backward()
    ours, theirs = dict(narrowed.named_parameters()), dict(original.named_parameters())
    assert ours.keys() == theirs.keys()
    for name, parameter in theirs.items():
        assert (parameter.grad is None) == (ours[name].grad is None)
        assert parameter.grad is None or torch.equal(parameter.grad, ours[name].grad), name
    for name, value in original.state_dict().items():
        assert torch.equal(value, narrowed.state_dict()[name]), name
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == 1


def test_a_container_can_be_kept_in_evaluation_mode(original: Any) -> None:
    narrowed = whole(original, IMAGE).train()
    narrowed.get_submodule("stem.1").eval()
    before = narrowed.state_dict()["stem.1.running_mean"].clone()
    narrowed(IMAGE)
    assert torch.equal(narrowed.state_dict()["stem.1.running_mean"], before)
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == 0


def test_traced_in_training_mode_it_can_be_evaluated(original: Any) -> None:
    narrowed = whole(original.train(), IMAGE)
    wanted = original.eval()(IMAGE)["logits"]
    assert torch.equal(narrowed.eval()(IMAGE)["logits"], wanted)
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == 0
    narrowed.train()(IMAGE)
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == 1


def test_dropout_that_is_always_on_stays_on() -> None:
    always = Net(lambda m, x: nn.functional.dropout(m.a(x), 0.5, True), a=nn.Conv2d(3, 8, 1)).eval()
    assert calls(whole(always, IMAGE), "dropout") == ["dropout(conv2d, 0.5, True)"]


def test_statistics_that_are_always_those_of_the_batch_stay_so() -> None:
    free = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, track_running_stats=False)).eval()
    assert torch.equal(whole(free, IMAGE)(IMAGE), free(IMAGE))
    assert torch.equal(whole(free, IMAGE).train()(IMAGE), free.train()(IMAGE))


def test_a_plain_average_of_statistics_needs_the_number_of_batches() -> None:
    torch.manual_seed(0)
    averaged = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8, momentum=None)).eval()
    narrowed = whole(averaged, IMAGE).train()
    averaged.train()
    for i in range(3):
        assert torch.allclose(narrowed(IMAGE * i), averaged(IMAGE * i))
    assert torch.equal(narrowed.state_dict()["1.running_mean"], averaged[1].running_mean)


def test_names_kinds_and_ties_of_tensors_stay(original: Any) -> None:
    narrowed = halved(original, IMAGE)
    assert list(narrowed.state_dict()) == list(original.state_dict())
    assert narrowed.head.weight is narrowed.again.weight
    assert narrowed.gain.shape == (6,) and "gain" not in narrowed.state_dict()
    assert narrowed.stem.get_submodule("0").weight.shape == (6, 3, 3, 3)
    assert isinstance(narrowed.head.weight, nn.Parameter)
    assert torch.equal(narrowed.spare.weight, original.spare.weight)
    assert [name for name, _ in narrowed.named_modules()] == [
        n for n, _ in original.named_modules()
    ]


def test_what_needs_no_gradient_stays_so(original: Any) -> None:
    original.stem.requires_grad_(False)
    narrowed = halved(original, IMAGE)
    assert [n for n, p in narrowed.named_parameters() if not p.requires_grad] == [
        "stem.0.weight", "stem.1.weight", "stem.1.bias",
    ]  # fmt: skip


def test_nothing_is_shared_with_the_original(original: Any) -> None:
    before = copy.deepcopy(original.state_dict())
    narrowed = halved(original, IMAGE).train()
    narrowed(IMAGE)["logits"].sum().backward()
    torch.optim.SGD(narrowed.parameters(), 0.1).step()
    for name, value in original.state_dict().items():
        assert torch.equal(value, before[name]), name


def through_pickle(module: Any) -> Any:
    return pickle.loads(pickle.dumps(module))


def through_a_file(module: Any) -> Any:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, through_pickle, through_a_file])
def test_copies_are_whole(original: Any, copied: Any) -> None:
    narrowed = halved(original, IMAGE)
    other = copied(narrowed)
    assert torch.equal(other(IMAGE)["logits"], narrowed(IMAGE)["logits"])
    assert list(other.state_dict()) == list(narrowed.state_dict())
    assert other.head.weight is other.again.weight
    other.train()(IMAGE)
    shared = copied is copy.copy
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == int(shared)


def test_it_is_called_like_the_original(original: Any) -> None:
    narrowed = halved(original, IMAGE)
    wanted = narrowed(IMAGE)["logits"]
    assert torch.equal(narrowed(x=IMAGE, bias=None, tail=True)["logits"], wanted)
    with pytest.raises(TypeError, match="traced without the argument 'tail'"):
        narrowed(IMAGE, tail=False)


def test_any_batch_where_the_trace_was_dynamic() -> None:
    narrowed = net(
        lambda m, x: m.b(m.a(x).view(x.shape[0], 2, 6, -1).flatten(1)),
        IMAGE,
        dynamic=BATCH,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Linear(12 * 36, 5),
    )
    assert narrowed(tensor(9, 3, 6, 6)).shape == (9, 5)


def test_it_can_be_traced_again(original: Any) -> None:
    narrowed = halved(original, IMAGE)
    again = trace(narrowed, (IMAGE,))
    assert torch.equal(again.program.module()(IMAGE)["logits"], narrowed(IMAGE)["logits"])
    assert {v.source for v in again.graph.params} <= {n for n, _ in narrowed.named_parameters()} | {
        n for n, _ in narrowed.named_buffers()
    }


def test_regions_are_narrowed_too() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.a(x)
        with torch.no_grad():
            scale = y.view(4, 12, 36).abs().mean(2).view(4, 12, 1, 1)
        return m.b(y * scale)

    narrowed = net(forward, IMAGE, a=nn.Conv2d(3, 12, 1), b=nn.Conv2d(12, 5, 1))
    narrowed(IMAGE).sum().backward()
    assert narrowed.a.weight.grad is not None
    assert torch.equal(copy.deepcopy(narrowed)(IMAGE), through_pickle(narrowed)(IMAGE))


def test_an_exported_program_becomes_a_module(original: Any) -> None:
    program = torch.export.export(original, (IMAGE,), strict=False)
    narrowed = halved(program, IMAGE)
    assert set(narrowed.state_dict()) == set(original.state_dict())
    assert not narrowed.training and narrowed.train()(IMAGE)["logits"].requires_grad
    assert narrowed.state_dict()["stem.1.num_batches_tracked"] == 1


def test_a_decomposed_program_too(original: Any) -> None:
    program = torch.export.export(original, (IMAGE,), strict=False).run_decompositions()
    assert halved(program, IMAGE)(IMAGE)["logits"].shape == (4, 5)


def test_moving_it_moves_what_it_makes() -> None:
    narrowed = net(
        lambda m, x: m.b(m.a(x) + torch.zeros(12, 6, 6)),
        IMAGE,
        a=nn.Conv2d(3, 12, 1),
        b=nn.Conv2d(12, 5, 1),
    )
    assert narrowed.to("meta")(IMAGE.to("meta")).device.type == "meta"


def test_what_cannot_be_said_is_an_error_that_names_the_line() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.a(x)
        with torch.no_grad():
            y = y.view(4, 3, 4, 6, 6).transpose(1, 2).reshape(4, 12, 6, 6)
        return m.b(y)

    with pytest.raises(UnsupportedModel) as error:
        net(forward, IMAGE, a=nn.Conv2d(3, 12, 1), b=nn.Conv2d(12, 5, 1))
    lines = str(error.value).splitlines()
    assert lines[0] == "UnsupportedModel: aten::view cannot follow the plan"
    assert lines[1].startswith("  where: 'view")
    assert "y = y.view(4, 3, 4, 6, 6)" in str(error.value)
    assert lines[-2].startswith("  why:   it refuses its narrowed operands: ")
    assert lines[-1] == "  fix:   exclude its channels with --keep"


def test_a_part_called_like_something_of_a_graph_module_is_refused() -> None:
    module = Net(
        lambda m, x: m.b(m.graph(x)), graph=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 2, 1)
    ).eval()
    with pytest.raises(UnsupportedModel) as error:
        halved(module, IMAGE)
    assert (
        str(error.value).splitlines()[0]
        == "UnsupportedModel: a part of the module is called 'graph'"
    )
