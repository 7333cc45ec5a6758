"""Methods: a name in, the specs of three passes out."""

from __future__ import annotations

import pytest

from graphprune.errors import BadData
from graphprune.passes.allocate import POLICIES
from graphprune.passes.allocate.uniform import Uniform
from graphprune.passes.score import CRITERIA
from graphprune.passes.score.pfp import Pfp
from graphprune.pipelines.methods import METHODS, PARTS, choose, options_of


def chosen(method: str | None, **given: object) -> list[str | None]:
    return list(vars(choose(method, given)).values())


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        ("bn-scale", ["bn-scale", "global:normalise=none", "top"]),
        ("fpgm", ["fpgm", "uniform", "top"]),
        ("grasp", ["grasp", "global:normalise=none", "top"]),
        ("l1", ["l1", "uniform", "top"]),
        ("l2", ["l2", "uniform", "top"]),
        ("lasso", ["lasso", "uniform", "top"]),
        ("pfp", ["pfp", "pfp", "top"]),
        ("pfp-mixed", ["pfp", "pfp", "mixed"]),
        ("pfp-random", ["pfp", "pfp", "sample"]),
        ("precrop", ["random", "precrop", "top"]),
        ("random", ["random", "uniform", "top"]),
        ("snip", ["snip", "global:normalise=none", "top"]),
        ("synflow", ["synflow", "global:normalise=none", "top"]),
        ("taylor", ["taylor", "global:normalise=none", "top"]),
        ("thinet", ["thinet", "uniform", "top"]),
    ],
)
def test_a_method_is_three_passes(method: str, passes: list[str]) -> None:
    assert chosen(method) == [method, *passes]


def test_without_a_method_channels_go_by_their_norms() -> None:
    assert chosen(None) == [None, "l2", "uniform", "top"]


def test_options_go_to_every_pass_that_has_them() -> None:
    assert chosen("pfp:delta=1e-10") == [
        "pfp:delta=1e-10",
        "pfp:delta=1e-10",
        "pfp:delta=1e-10",
        "top",
    ]
    assert chosen("taylor:min_keep=0.2,joint=true") == [
        "taylor:joint=true,min_keep=0.2",
        "taylor:joint=true",
        "global:min_keep=0.2,normalise=none",
        "top",
    ]


def test_what_a_method_sets_itself_is_its_default() -> None:
    assert chosen("taylor:normalise=none") == chosen("taylor")
    assert chosen("taylor:normalise=mean") == ["taylor:normalise=mean", "taylor", "global", "top"]


def test_what_is_a_default_is_not_written_down() -> None:
    assert chosen("pfp: delta=1e-16, sensitivity=edge") == [
        "pfp:sensitivity=edge",
        "pfp:sensitivity=edge",
        "pfp",
        "top",
    ]


def test_what_is_given_replaces_that_part() -> None:
    assert chosen("pfp:delta=1e-10", criterion="pfp:sensitivity=edge") == [
        "pfp:delta=1e-10",
        "pfp:sensitivity=edge",
        "pfp:delta=1e-10",
        "top",
    ]
    assert chosen("l1", allocation="global:min_keep=0.10")[2] == "global:min_keep=0.1"
    assert chosen(None, selection="sample") == [None, "l2", "uniform", "sample"]


def test_passes_themselves_are_written_down_as_specs() -> None:
    found = chosen(None, criterion=Pfp(delta=1e-8), allocation=Uniform())
    assert found == [None, "pfp:delta=1e-8", "uniform", "top"]
    assert CRITERIA.create(str(found[1])) == Pfp(delta=1e-8)


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        (
            "pfq",
            {},
            f"BadData: no method is called 'pfq'\n  fix:   choose one of: {', '.join(METHODS)}",
        ),
        (
            "pfp:detla=1",
            {},
            "BadData: method 'pfp' has no option 'detla'\n"
            "  where: pfp:detla=1\n"
            f"  fix:   its options are: {', '.join(map(str, options_of('pfp')))}",
        ),
        (
            "pfp:sensitivity=edge",
            {"criterion": "l1"},
            "BadData: method 'pfp' has no option 'sensitivity' without its criterion\n"
            "  where: pfp:sensitivity=edge\n"
            f"  fix:   its options are: {', '.join(map(str, POLICIES.options('pfp')))}",
        ),
        (
            "taylor:joint=yes",
            {},
            "BadData: option 'joint' of method 'taylor' cannot be 'yes'\n"
            "  where: taylor:joint=yes\n"
            "  why:   expected true or false\n"
            "  fix:   for example: joint=false",
        ),
        (
            "pfp:delta=2",
            {},
            "BadData: delta is 2.0\n"
            "  where: criterion 'pfp:delta=2'\n"
            "  fix:   give a probability between 0 and 1",
        ),
        (
            "l1",
            {"allocation": "even"},
            "BadData: no policy is called 'even'\n"
            f"  fix:   choose one of: {', '.join(POLICIES.names)}",
        ),
    ],
)
def test_mistakes_are_explained(method: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(BadData) as caught:
        choose(method, given)
    assert str(caught.value) == message


def test_every_method_names_its_source_and_passes_that_are_there() -> None:
    for name, method in METHODS.items():
        assert method.source
        assert choose(name, {}).method == name
        for part, spec in method.parts.items():
            assert PARTS[part].spec(spec) == spec
    assert list(METHODS) == sorted(METHODS)


def test_every_option_of_a_registered_pass_can_be_written() -> None:
    written = {
        f"{part} {name}": [str(option) for option in registry.options(name) if not option.kinds]
        for part, registry in PARTS.items()
        for name in registry.names
    }
    assert {owner: names for owner, names in written.items() if names} == {}


def test_a_method_lists_the_options_of_its_passes_once() -> None:
    found = list(map(str, options_of("pfp-mixed")))
    assert {"sensitivity=channel", "delta=1e-16"} <= set(found)
    assert len(found) == len(set(found))
    assert options_of("random") == ()
