"""The closed set of canonical operations.

A name may carry a member after a dot (``pointwise.add``, ``reduce.mean``): rules are written for
the family, the member only says which function it is.
"""

from __future__ import annotations

OPS: dict[str, str] = {
    "conv": "cross-correlation (x, w[, b]); w is (out, in/groups, *kernel)",
    "conv_transpose": "transposed convolution (x, w[, b]); w is (in, out/groups, *kernel)",
    "contract": "einsum of two operands by its equation: matmul, gemm, linear, attention",
    "pointwise": "elementwise with NumPy broadcasting",
    "batch_norm": "(x, scale, bias, mean, var) along axis 1",
    "instance_norm": "(x, scale, bias) along axis 1, statistics over the spatial axes",
    "group_norm": "(x, scale, bias) statistics over groups of channels and the spatial axes",
    "layer_norm": "(x[, scale, bias]) statistics over the given axes",
    "lrn": "local response normalisation across channels",
    "pool": "windows over the spatial axes",
    "resize": "interpolation; channels are only copied",
    "reduce": "sum, mean, max ... over axes",
    "softmax": "softmax, log-softmax or hardmax over one axis",
    "scan": "cumulative sum and its like along one axis",
    "reshape": "same elements in row-major order, another shape",
    "transpose": "permuted axes",
    "slice": "regular sub-ranges of axes",
    "gather": "constant indices along one axis",
    "lookup": "computed indices along one axis of a table",
    "scatter": "(x, updates): a block of x, from `starts` on, replaced",
    "concat": "operands laid end to end along one axis",
    "split": "consecutive pieces along one axis",
    "expand": "broadcast to a shape",
    "tile": "repeated along axes",
    "pad": "constant or mirrored borders",
    "depth_to_space": "channel blocks become pixels",
    "space_to_depth": "pixels become channel blocks",
    "shuffle": "a permutation of one axis",
    "quantize": "(x, scale[, zero_point]) along an axis or whole",
    "dequantize": "(x, scale[, zero_point]) along an axis or whole",
    "lstm": "ONNX gate order iofc; (x, w, r, b, lens, h0, c0, p)",
    "gru": "ONNX gate order zrh; (x, w, r, b, lens, h0)",
    "rnn": "one gate; (x, w, r, b, lens, h0)",
    "opaque": "an operation without a rule: it freezes what it touches",
}


def is_canonical(op: str) -> bool:
    """Whether ``op`` (with or without a member) belongs to the vocabulary."""
    return op.partition(".")[0] in OPS
