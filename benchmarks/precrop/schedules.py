"""How long networks are trained, and on what."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.images.training import Recipe


@dataclass(frozen=True)
class Schedule:
    """How networks are trained.

    Attributes:
        name: As the command line knows it.
        recipe: Of stochastic gradient descent.
        images: How many images to train on; all for None.
        fewer: The same for the larger networks.
        tested: How many images to test on; all for None.
        shrink: Images are averaged over squares of this many pixels a side.
        grey: Train the larger networks on grey images, which they learn sooner.
    """

    name: str
    recipe: Recipe
    images: int | None = None
    fewer: int | None = None
    tested: int | None = None
    shrink: int = 1
    grey: bool = False

    def networks(self, experiment: str) -> tuple[str, ...]:
        """The names of the networks of an experiment."""
        larger = [f"{name}{'-grey' if self.grey else ''}" for name in _LARGER]
        return {
            "granularity": ("resnet20-b",),
            "densities": ("resnet20-b", *larger),
            "preconfig": (larger[1],),
        }[experiment]

    def images_of(self, network: str) -> int | None:
        """How many images a network is trained on; all for None."""
        return self.fewer if network.startswith(_LARGER) else self.images

    @property
    def text(self) -> str:
        """What it is, in a sentence."""
        recipe, some = self.recipe, "all"
        if self.images is not None:
            some = f"the first {self.images:,} (of the larger networks {self.fewer:,})"
        where = f", averaged over {self.shrink} x {self.shrink} pixels" if self.shrink > 1 else ""
        return (
            f"schedule `{self.name}`: {some} training images{where}, {recipe.epochs} epochs, SGD "
            f"with rate {recipe.rate}, momentum 0.9, weight decay {recipe.decay}, batch "
            f"{recipe.batch}, rate x {recipe.factor} after epochs "
            f"{', '.join(map(str, recipe.drops))}, warm-up over {recipe.warmup:g} epochs"
        )


_LARGER = ("mobilenet_v2", "efficientnet_b0")
_SHORT = Schedule(
    "short",
    Recipe(0.1, 5e-4, 64, 6, (4,), 0.1, warmup=0.5),
    images=4000,
    fewer=1000,
    tested=2500,
    shrink=2,
    grey=True,
)
_MEDIUM = replace(
    _SHORT,
    name="medium",
    recipe=replace(_SHORT.recipe, epochs=10, drops=(6, 9), warmup=1),
    images=12_000,
    fewer=2500,
    tested=None,
)
# The rate makes or breaks EfficientNet by chance of the seed in so few steps.
_GENTLE = 0.02
SCHEDULES = {
    "short": _SHORT,
    "gentle": replace(_SHORT, name="gentle", recipe=replace(_SHORT.recipe, rate=_GENTLE)),
    "medium": _MEDIUM,
    "medium-gentle": replace(
        _MEDIUM, name="medium-gentle", recipe=replace(_MEDIUM.recipe, rate=_GENTLE)
    ),
    "full": Schedule("full", Recipe(0.1, 1e-4, 128, 182, (91, 136), warmup=5)),
}
