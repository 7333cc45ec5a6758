"""The text of an error is part of the interface: these tests assert it to the letter."""

import pickle

import pytest

from graphprune import errors
from graphprune.errors import FrozenGroup, GraphpruneError

SUBCLASSES = (
    "InvalidModel",
    "UnsupportedModel",
    "InfeasibleBudget",
    "FrozenGroup",
    "PlanMismatch",
    "NotEquivalent",
    "BackendUnavailable",
    "BackendError",
    "BadData",
)


def frozen() -> FrozenGroup:
    return FrozenGroup(
        "cannot narrow 'layer4.2.conv3' (2048 channels)",
        where="group g17, axis 0 of layer4.2.conv3.weight",
        why="flatten -> fc.weight axis 1 is tied to graph output 'features'",
        fix="drop 'features' from the outputs, or exclude the layer: --keep layer4.2.conv3",
    )


def test_all_four_parts_are_laid_out() -> None:
    assert str(frozen()) == (
        "FrozenGroup: cannot narrow 'layer4.2.conv3' (2048 channels)\n"
        "  where: group g17, axis 0 of layer4.2.conv3.weight\n"
        "  why:   flatten -> fc.weight axis 1 is tied to graph output 'features'\n"
        "  fix:   drop 'features' from the outputs, or exclude the layer: --keep layer4.2.conv3"
    )


def test_absent_parts_leave_no_line() -> None:
    assert str(GraphpruneError("no nodes", fix="export the model again")) == (
        "GraphpruneError: no nodes\n  fix:   export the model again"
    )
    assert str(GraphpruneError("no nodes")) == "GraphpruneError: no nodes"


def test_a_long_part_stays_in_its_column() -> None:
    assert str(GraphpruneError("x", why="one\ntwo")) == (
        "GraphpruneError: x\n  why:   one\n         two"
    )


@pytest.mark.parametrize("name", SUBCLASSES)
def test_tree(name: str) -> None:
    cls = getattr(errors, name)
    assert cls.__bases__ == (GraphpruneError,)
    assert str(cls("broken")) == f"{name}: broken"


def test_parts_stay_available_and_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(frozen()))
    assert type(copy) is FrozenGroup
    assert str(copy) == str(frozen())
    assert (copy.what, copy.where) == (frozen().what, frozen().where)
