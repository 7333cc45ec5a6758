"""Networks before they are trained: widths that initialisation alone decides.

Source: Cai et al., "Structured Pruning of CNNs at Initialization", arXiv 2203.02549. What a
network's accuracy depends on at initialisation is, in expectation, the product of its layers'
densities, and so its widths; which channels are kept is of no matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from graphprune.budget import Budget
from graphprune.compiler import Amount, prune
from graphprune.errors import BadData
from graphprune.pipelines.deciding import Stage

if TYPE_CHECKING:
    from graphprune.module_result import ModuleResult

Init = Literal["slice", "fresh"] | Callable[[Any], Any]


def precrop(
    module: Any,
    example_inputs: Any = None,
    *,
    init: Init = "slice",
    seed: int = 0,
    **options: Any,
) -> ModuleResult:
    """Crop a network before it is trained.

    Args:
        module: A freshly initialised nn.Module; it is not changed.
        example_inputs: What it is called with, as for :func:`graphprune.prune`.
        init: ``slice`` keeps what is left of the weights; ``fresh`` has every layer that lost
            channels draw them again, by its own ``reset_parameters``; a function does that too
            and is called with every sub-module then, as by ``torch.nn.Module.apply``.
        seed: Of the channels that are kept, and of fresh weights.
        **options: As for :func:`graphprune.prune`: the budgets ``params`` and ``macs``,
            ``round_to``, ``keep``, ``criterion`` (``random`` where left out) ...

    Returns:
        The cropped module, its plan and its proof; notes name weights that no layer draws.

    Raises:
        BadData: It is no nn.Module, or ``init`` makes no sense.
        InfeasibleBudget: No widths meet the budget.
    """
    from graphprune.pipelines.torch import rebuilding

    if init not in ("slice", "fresh") and not callable(init):
        raise BadData(f"init cannot be {init!r}", fix="give slice, fresh, or a function")
    rebuilding.require_module(module)
    chosen = {"criterion": "random", "allocation": "precrop", **options}
    result: ModuleResult = prune(module, example_inputs, seed=seed, **chosen)
    if init == "slice":
        return result
    return rebuilding.refreshed(result, None if init == "fresh" else init, seed)


def preconfig(
    module: Any,
    example_inputs: Any = None,
    *,
    cap: float = 2.0,
    round_to: int = 8,
    keep: Sequence[str] = (),
    stage: Stage | None = None,
    params: Amount = None,
    macs: Amount = None,
    **how: Any,
) -> ModuleResult:
    """Rebuild a network before it is trained: some layers wider than they were, some narrower.

    Args:
        module: An nn.Module; it is not changed.
        example_inputs: What it is called with, as for :func:`graphprune.prune`.
        cap: No layer becomes wider than this multiple of its width.
        round_to: What channel counts should be multiples of.
        keep: Patterns (``*``, ``?``) of parameters, layers or groups that must stay as they are.
        stage: Called with the name of every stage as it begins.
        params: Budget of parameters; all that the module has where left out.
        macs: Budget of multiply-accumulates; all that the module needs where left out.
        **how: Fields of :class:`graphprune.pipelines.torch.rebuilding.Rebuilding`: ``init``,
            ``seed``, ``run``, ``strict``.

    Returns:
        The rebuilt module, its plan and its proof; notes name groups that could not grow, and
        weights that no layer draws.

    Raises:
        BadData: No budget is given, or ``cap`` is less than 1.
        InfeasibleBudget: No widths meet the budget.
    """
    from graphprune.pipelines.torch import rebuilding

    budget, chosen = _both(params, macs), rebuilding.Rebuilding(**how)
    found = rebuilding.opened(module, example_inputs, keep, cap)
    say = stage or _silent
    return rebuilding.preconfig(found, budget, chosen, cap=cap, round_to=round_to, say=say)


def _both(params: Amount, macs: Amount) -> Budget:
    """Both budgets: what may be wider has to be bounded in both ways."""
    given = {"params": params, "macs": macs}
    bounds = {name: bound for name, bound in given.items() if bound is not None}
    if not bounds:
        raise BadData("there is no budget", fix="give params= or macs=")
    return Budget.parse({"params": 1.0, "macs": 1.0, **bounds})


def _silent(stage: str) -> None:
    """Say nothing."""
