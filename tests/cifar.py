"""The networks for 32 x 32 images that papers compare on, as text of the intermediate form."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphprune.ir import Graph
from graphprune.ir.check import check
from graphprune.ir.text import parse


@dataclass
class _Writer:
    """Writes one layer after another; every method gives the name of its result."""

    norms: bool
    lines: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    count: int = 0

    def input(self, *shape: int) -> str:
        self.lines.append(f"input x: {list(shape)}")
        self.shapes["x"] = shape
        return "x"

    def op(self, text: str, *shape: int, prefix: str = "v") -> str:
        self.count += 1
        name = f"{prefix}{self.count}"
        self.lines.append(f"{name}: {list(shape)} = {text}")
        self.shapes[name] = shape
        return name

    def param(self, name: str, *shape: int) -> str:
        self.lines.append(f"param {name}: {list(shape)}")
        return name

    def conv(
        self, x: str, filters: int, kernel: int, stride: int = 1, *, depthwise: bool = False
    ) -> str:
        """A convolution without bias, and a batch norm where the network has any."""
        _, channels, size, _ = self.shapes[x]
        pad, out = kernel // 2, -(-size // stride)
        weight = self.param(
            f"w{self.count + 1}", filters, 1 if depthwise else channels, kernel, kernel
        )
        attrs = f"groups={channels if depthwise else 1}, pads={[pad] * 4}, strides={[stride] * 2}"
        y = self.op(f"conv({x}, {weight}) {{{attrs}}}", 1, filters, out, out)
        if not self.norms:
            return y
        rest = [self.param(f"{word}{self.count}", filters) for word in ("ga", "be", "me", "va")]
        return self.op(f"batch_norm({', '.join([y, *rest])})", *self.shapes[y])

    def apply(self, function: str, *operands: str) -> str:
        return self.op(f"pointwise.{function}({', '.join(operands)})", *self.shapes[operands[0]])

    def pooled(self, x: str) -> str:
        batch, channels = self.shapes[x][:2]
        return self.op(f"reduce.mean({x}) {{axes=[2,3], keepdims=true}}", batch, channels, 1, 1)

    def gate(self, x: str, squeezed: int) -> str:
        """Squeeze and excitation; its convolutions have biases where the network has norms."""
        channels = self.shapes[x][1]
        y = self.biased(self.pooled(x), squeezed)
        y = self.biased(self.apply("silu", y), channels)
        return self.apply("mul", x, self.apply("sigmoid", y))

    def biased(self, x: str, filters: int) -> str:
        """A pointwise convolution."""
        weight = self.param(f"w{self.count + 1}", filters, self.shapes[x][1], 1, 1)
        operands = [x, weight]
        if self.norms:
            operands.append(self.param(f"b{self.count + 1}", filters))
        return self.op(f"conv({', '.join(operands)})", 1, filters, *self.shapes[x][2:])

    def classifier(self, x: str, classes: int) -> Graph:
        channels = self.shapes[x][1]
        y = self.op(f"reshape({self.pooled(x)}) {{shape=[1,{channels}]}}", 1, channels)
        weight = self.param("fc", classes, channels)
        y = self.op(f'contract({y}, {weight}) {{equation="ak,zk->az"}}', 1, classes)
        if self.norms:
            bias = self.param("fc_bias", classes)
            y = self.op(f"pointwise.add({y}, {bias})", 1, classes)
        graph = parse("\n".join([*self.lines, f"return {y}"]))
        check(graph)
        return graph


def resnet20(norms: bool = False, classes: int = 10) -> Graph:
    """ResNet-20 (He et al. 2016, section 4.2), shortcuts by 1 x 1 projections.

    Args:
        norms: Whether batch norms and the classifier's bias are there; 270,896 weights without.
        classes: Outputs.
    """
    net = _Writer(norms)
    x = net.apply("relu", net.conv(net.input(1, 3, 32, 32), 16, 3))
    for width, stride in ((16, 1), (16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1),
                          (64, 1)):  # fmt: skip
        inner = net.apply("relu", net.conv(x, width, 3, stride))
        shortcut = x if stride == 1 else net.conv(x, width, 1, stride)
        x = net.apply("relu", net.apply("add", net.conv(inner, width, 3), shortcut))
    return net.classifier(x, classes)


def _inverted(net: _Writer, x: str, out: int, expand: int, kernel: int, stride: int) -> str:
    """An inverted residual block without a gate."""
    channels = net.shapes[x][1]
    y = net.apply("relu", net.conv(x, channels * expand, 1)) if expand > 1 else x
    y = net.conv(y, channels * expand, kernel, stride, depthwise=True)
    y = net.conv(net.apply("relu", y), out, 1)
    return net.apply("add", y, x) if stride == 1 and out == channels else y


def mobilenet_v2(norms: bool = True, classes: int = 10) -> Graph:
    """MobileNetV2 (Sandler et al. 2018, table 2), the first two strides 1 for small images."""
    net = _Writer(norms)
    x = net.apply("relu", net.conv(net.input(1, 3, 32, 32), 32, 3))
    for expand, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2),
                                       (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):  # fmt: skip
        for i in range(count):
            x = _inverted(net, x, out, expand, 3, 1 if i else stride)
    return net.classifier(net.apply("relu", net.conv(x, 1280, 1)), classes)


def efficientnet_b0(norms: bool = True, classes: int = 10) -> Graph:
    """EfficientNet-B0 (Tan and Le 2019, table 1), the stem's stride 1 for small images."""
    net = _Writer(norms)
    x = net.apply("silu", net.conv(net.input(1, 3, 32, 32), 32, 3))
    for expand, out, count, kernel, stride in (
        (1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1),
        (6, 192, 4, 5, 2), (6, 320, 1, 3, 1),
    ):  # fmt: skip
        for i in range(count):
            channels = net.shapes[x][1]
            y = net.apply("silu", net.conv(x, channels * expand, 1)) if expand > 1 else x
            y = net.conv(y, channels * expand, kernel, 1 if i else stride, depthwise=True)
            y = net.conv(net.gate(net.apply("silu", y), max(1, channels // 4)), out, 1)
            x = net.apply("add", y, x) if i else y
    return net.classifier(net.apply("silu", net.conv(x, 1280, 1)), classes)
