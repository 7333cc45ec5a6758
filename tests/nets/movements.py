"""Networks in which tensors of any rank are moved about at random between two layers."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from random import Random

import onnx

from tests.nets.draft import Draft

END = 1 << 40
LARGE = 300  # elements; nothing larger is repeated

Move = Callable[[Draft, str, Random], str]
MOVES: list[Move] = []


def move(function: Move) -> Move:
    MOVES.append(function)
    return function


def _axis(m: Draft, x: str, random: Random) -> int:
    return random.randrange(len(m.shape(x)))


@move
def split_an_axis(m: Draft, x: str, random: Random) -> str:
    shape, i = m.shape(x), _axis(m, x, random)
    parts, rest = [], shape[i]
    for prime in (2, 2, 3):
        if rest % prime == 0 and random.random() < 0.6:
            parts.append(prime)
            rest //= prime
    parts.append(rest)
    random.shuffle(parts)
    return m.reshape(x, *shape[:i], *parts, *shape[i + 1 :]) if len(shape) < 4 else x


@move
def merge_two_axes(m: Draft, x: str, random: Random) -> str:
    shape = m.shape(x)
    if len(shape) < 3:
        return x
    i = random.randrange(len(shape) - 1)
    return m.reshape(x, *shape[:i], shape[i] * shape[i + 1], *shape[i + 2 :])


@move
def permute(m: Draft, x: str, random: Random) -> str:
    perm = list(range(len(m.shape(x))))
    random.shuffle(perm)
    return m.transpose(x, *perm)


@move
def exchange_two_pieces(m: Draft, x: str, random: Random) -> str:
    i = _axis(m, x, random)
    size = m.shape(x)[i]
    if size < 2:
        return x
    at = random.randrange(1, size)
    left, right = m.split(x, (at, size - at), axis=i)
    return right if random.random() < 0.3 else m.op("Concat", right, left, axis=i)


@move
def cut_out(m: Draft, x: str, random: Random) -> str:
    i = _axis(m, x, random)
    start = random.randrange(m.shape(x)[i])
    return m.slice(x, start, random.randrange(start + 1, m.shape(x)[i] + 1), axis=i)


@move
def put_beside_itself(m: Draft, x: str, random: Random) -> str:
    if prod(m.shape(x)) > LARGE:
        return x
    return m.op("Concat", x, m.op("Sigmoid", x), axis=_axis(m, x, random))


@move
def pick(m: Draft, x: str, random: Random) -> str:
    i = _axis(m, x, random)
    size = m.shape(x)[i]
    index = [random.randrange(-size, size) for _ in range(random.randint(1, size))]
    return m.op("Gather", x, m.ints(*index), axis=i)


@move
def repeat(m: Draft, x: str, random: Random) -> str:
    counts = [1] * len(m.shape(x))
    counts[_axis(m, x, random)] = 2
    return m.op("Tile", x, m.ints(*counts)) if prod(m.shape(x)) <= LARGE else x


@move
def surround(m: Draft, x: str, random: Random) -> str:
    pads = [0] * (2 * len(m.shape(x)))
    pads[random.randrange(len(pads))] = random.randint(1, 2)
    return m.op("Pad", x, m.ints(*pads)) if prod(m.shape(x)) <= LARGE else x


@move
def add_and_spread_an_axis(m: Draft, x: str, random: Random) -> str:
    rank = len(m.shape(x))
    if rank > 4 or prod(m.shape(x)) > LARGE:
        return x
    i = random.randrange(rank + 1)
    target = [random.randint(1, 3) if j == i else 1 for j in range(rank + 1)]
    return m.op("Expand", m.op("Unsqueeze", x, m.ints(i)), m.ints(*target))


@move
def scale(m: Draft, x: str, random: Random) -> str:
    extents = [n if random.random() < 0.6 else 1 for n in m.shape(x)]
    return m.op("Mul", x, m.param(m.name("gain"), *extents, scale=1))


@move
def mix_the_last_axis(m: Draft, x: str, random: Random) -> str:
    return m.linear(m.op("Tanh", x), random.choice([4, 6, 12]))


@move
def add_up(m: Draft, x: str, random: Random) -> str:
    kind = random.choice(["ReduceSum", "ReduceMean"])
    if len(m.shape(x)) < 3:
        return x
    return m.op(kind, x, m.ints(_axis(m, x, random)), keepdims=random.randrange(2))


def wandering(seed: int) -> onnx.ModelProto:
    """A layer, two to eight moves, and a layer over everything that is left."""
    random, m = Random(seed), Draft(seed)
    width = random.choice([6, 8, 12])
    if random.random() < 0.5:
        x = m.conv(m.input("x", 1, 3, 2, 3), width)
    else:
        x = m.linear(m.input("x", 2, 3, 3), width)
    for _ in range(random.randint(2, 8)):
        x = random.choice(MOVES)(m, x, random)
    m.output(m.linear(m.reshape(x, 1, -1), 3))
    return m.proto()
