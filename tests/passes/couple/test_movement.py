"""Operations that only move elements move labels the same way."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import coupled, groups

NET = """
    input x: [1,3,4,4]
    param wa: [12,3,1,1]
    param wb: [5,COUNT,1,1]
    a = conv(x, wa)
    MOVES
    y = conv(m, wb)
    return y
"""


def moved(count: int, *moves: str) -> str:
    """The groups of 12 channels that are moved until ``count`` are read as ``m``."""
    text = NET.replace("COUNT", str(count)).replace("MOVES", "\n    ".join(moves))
    lines = groups(text).splitlines(keepends=True)
    return "".join(x for x in lines if " wb.0[" not in x and " wa.1[" not in x)


def test_reshape_merges_pixels_and_leaves_channels() -> None:
    r = "r = reshape(a) {shape=[1,12,16]}"
    assert moved(12, r, "m = reshape(r) {shape=[1,12,2,8]}") == snapshot("g1[12] wa.0 wb.1\n")


def test_flatten_gives_every_channel_its_pixels() -> None:
    assert groups("""
        input x: [2,3,4,4]
        param wa: [8,3,1,1]
        param wb: [6,128]
        param wc: [4,6]
        a = conv(x, wa)
        f = reshape(a) {shape=[2,128]}
        b = contract(f, wb) {equation="nk,zk->nz"}
        y = contract(b, wc) {equation="nk,zk->nz"}
        return y
    """) == snapshot("""\
g1[8] wa.0 wb.1
g2[6] wb.0 wc.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wc.0[4] 'y' is an output of the graph
""")


def test_flattened_pixels_are_runs_of_one_unit() -> None:
    coupling = coupled("""
        input x: [1,3,2,2]
        param wa: [3,3,1,1]
        param wb: [6,12]
        a = conv(x, wa)
        f = reshape(a) {shape=[1,12]}
        y = contract(f, wb) {equation="nk,zk->nz"}
        return y
    """)
    (layer,) = coupling.layers["wb"]
    assert layer.ids.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]]


def test_channels_last_and_back() -> None:
    t = "t = transpose(a) {perm=[0,2,3,1]}"
    assert moved(12, t, "m = transpose(t) {perm=[0,3,1,2]}") == snapshot("g1[12] wa.0 wb.1\n")


def test_a_layer_becomes_an_image() -> None:
    assert groups("""
        input x: [2,5]
        param wa: [5,54]
        param wb: [4,6,3,3]
        a = contract(x, wa) {equation="nk,kz->nz"}
        i = reshape(a) {shape=[2,6,3,3]}
        y = conv(i, wb)
        return y
    """) == snapshot("""\
g1[6] wa.1 wb.1
frozen wa.0[5] a -> 'x' is an input of the graph
frozen wb.0[4] 'y' is an output of the graph
""")


def test_a_slice_leaves_the_other_channels_to_nobody() -> None:
    assert moved(4, "m = slice(a) {axes=[1], ends=[6], starts=[2], steps=[1]}") == snapshot("""\
g1[8] wa.0
g2[4] wa.0 wb.1
""")


def test_every_second_channel_cannot_be_told_apart_after_removal() -> None:
    assert moved(6, "m = slice(a) {axes=[1], ends=[12], starts=[0], steps=[2]}") == snapshot("""\
frozen wa.0[12] m -> 'm' takes every n-th channel
frozen wb.1[6] y -> slice 'm' has fixed results
""")


def test_every_second_pixel_is_no_matter() -> None:
    assert moved(12, "m = slice(a) {axes=[2], ends=[4], starts=[0], steps=[2]}") == snapshot(
        "g1[12] wa.0 wb.1\n"
    )


def test_gather_reorders_repeats_and_leaves_out() -> None:
    index = "const i: int64[4] = [7, 0, 3, 3]"
    assert moved(4, index, "m = gather(a, i) {axis=1}") == snapshot("""\
g1[2] wa.0 wb.1
g2[9] wa.0
g3[1] wa.0 wb.1
""")


def test_a_single_channel_by_number_is_frozen() -> None:
    index = "const i: int64[] = [7]"
    gather = "g = gather(a, i) {axis=1}"
    assert moved(1, index, gather, "m = reshape(g) {shape=[1,1,4,4]}") == snapshot(
        "frozen wa.0[12] g -> 'g' picks single channels\n"
    )


def test_an_embedding_passes_the_features_of_its_table() -> None:
    assert groups("""
        input ids: int64[2,5]
        param table: [9,8]
        param wb: [8,4]
        e = lookup(table, ids) {axis=0}
        y = contract(e, wb) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] table.1 wb.0
frozen wb.1[4] 'y' is an output of the graph
""")


def test_concat_lays_channels_end_to_end() -> None:
    parts = ("param wc: [4,12,1,1]", "b = conv(a, wc)", "m = concat(a, b) {axis=1}")
    assert moved(16, *parts) == snapshot("""\
g1[12] wa.0 wb.1 wc.1
g2[4] wb.1 wc.0
""")


def test_a_dense_chain_reads_everything_before() -> None:
    assert moved(
        20,
        "param wc: [4,12,1,1]",
        "b = conv(a, wc)",
        "ab = concat(a, b) {axis=1}",
        "param s: [16]",
        "n = instance_norm(ab, s, s)",
        "param wd: [4,16,1,1]",
        "d = conv(n, wd)",
        "m = concat(ab, d) {axis=1}",
    ) == snapshot("""\
g1[12] wa.0 wb.1 wc.1 s.0 wd.1
g2[4] wb.1 wc.0 s.0 wd.1
g3[4] wb.1 wd.0
""")


def test_concat_with_the_input_freezes_only_the_input() -> None:
    assert moved(15, "m = concat(x, a) {axis=1}") == snapshot("""\
g1[12] wa.0 wb.1
frozen wb.1[3 of 15] y -> 'x' is an input of the graph
""")


def test_concat_along_pixels_ties_the_channels() -> None:
    parts = ("param wc: [12,3,1,1]", "b = conv(x, wc)", "m = concat(a, b) {axis=2}")
    assert moved(12, *parts) == snapshot("""\
g1[12] wa.0 wb.1 wc.0
frozen wc.1[3] b -> 'x' is an input of the graph
""")


def test_split_into_uneven_pieces() -> None:
    parts = ("left, right = split(a) {axis=1, sizes=[5,7]}", "param wc: [5,7,1,1]")
    assert moved(5, *parts, "b = conv(right, wc)", "m = pointwise.add(left, b)") == snapshot("""\
g1[5] wa.0 wb.1 wc.0
g2[7] wa.0 wc.1
""")


def test_pieces_that_are_put_together_again_are_never_emptied() -> None:
    parts = ("left, right = split(a) {axis=1, sizes=[5,7]}", "m = concat(right, left) {axis=1}")
    assert moved(12, *parts) == snapshot("""\
g1[5] wa.0 wb.1
g2[7] wa.0 wb.1
""")


def test_cross_stage_blocks_concatenate_what_they_split() -> None:
    assert moved(
        18,
        "left, right = split(a) {axis=1, sizes=[6,6]}",
        "param wc: [4,6,3,3]",
        "c = conv(right, wc) {pads=[1,1,1,1]}",
        "param wd: [6,4,3,3]",
        "d = conv(c, wd) {pads=[1,1,1,1]}",
        "s = pointwise.add(right, d)",
        "m = concat(left, right, s) {axis=1}",
    ) == snapshot("""\
g1[6] wa.0 wb.1
g2[6] wa.0 wb.1 wc.1 wd.0
g3[4] wc.0 wd.1
""")


def test_expand_over_pixels() -> None:
    pooled = "p = pool(a) {everything=true}"
    assert moved(12, pooled, "m = expand(p) {shape=[1,12,4,4]}") == snapshot("g1[12] wa.0 wb.1\n")


def test_an_expanded_axis_follows_what_it_meets() -> None:
    mask = "k = conv(x, wm)"
    wide = "e = expand(k) {shape=[1,12,4,4]}"
    meet = "m = pointwise.mul(a, e)"
    assert moved(12, "param wm: [1,3,1,1]", mask, wide, meet) == snapshot("""\
g1[12] wa.0 wb.1
frozen wm.1[3] k -> 'x' is an input of the graph
""")


def test_tiles_repeat_the_channels() -> None:
    assert moved(24, "m = tile(a) {repeats=[1,2,1,1]}") == snapshot("g1[12] wa.0 wb.1\n")


def test_padded_channels_are_removed_with_those_they_are_added_to() -> None:
    """The zero-padded shortcut of early residual networks."""
    assert moved(
        16,
        'p = pad(a) {mode="constant", pads=[0,2,0,0,0,2,0,0]}',
        "param wc: [16,12,1,1]",
        "c = conv(a, wc)",
        "m = pointwise.add(p, c)",
    ) == snapshot("""\
g1[12] wa.0 wb.1 wc.0 wc.1
g2[4] wb.1 wc.0
""")


def test_mirrored_channels_are_frozen() -> None:
    assert moved(16, 'm = pad(a) {mode="reflect", pads=[0,2,0,0,0,2,0,0]}') == snapshot("""\
frozen wa.0[12] m -> 'm' mirrors or crops these channels
frozen wb.1[16] y -> pad 'm' has fixed results
""")


def test_pixel_shuffle_in_both_orders() -> None:
    move = "m = depth_to_space(a) {block=2, channel_first=ORDER}"
    first = coupled(_pixels(move.replace("ORDER", "false"))).layers["wa"][0].ids.ravel()
    assert first.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]
    last = coupled(_pixels(move.replace("ORDER", "true"))).layers["wa"][0].ids.ravel()
    assert last.tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]


def _pixels(move: str) -> str:
    return NET.replace("COUNT", "3").replace("MOVES", move)


def test_pixel_shuffle_spelled_out() -> None:
    assert moved(
        3,
        "r = reshape(a) {shape=[1,3,2,2,4,4]}",
        "t = transpose(r) {perm=[0,1,4,2,5,3]}",
        "m = reshape(t) {shape=[1,3,8,8]}",
    ) == snapshot("g1[3] wa.0 wb.1\n")


def test_space_to_depth_repeats_the_channels() -> None:
    assert moved(48, "m = space_to_depth(a) {block=2}") == snapshot("g1[12] wa.0 wb.1\n")


def test_windows_of_an_image_keep_its_channels() -> None:
    assert moved(
        12,
        "r = reshape(a) {shape=[1,12,2,2,2,2]}",
        "t = transpose(r) {perm=[0,2,4,1,3,5]}",
        "m = reshape(t) {shape=[4,12,2,2]}",
    ) == snapshot("g1[12] wa.0 wb.1\n")


def test_an_unknown_operation_freezes_what_it_touches() -> None:
    assert moved(
        12, 'm: [1,12,4,4] = opaque(a) {reason="there is no rule", type="Mystery"}'
    ) == snapshot("""\
frozen wa.0[12] m -> Mystery 'm': there is no rule
frozen wb.1[12] y -> result of Mystery 'm': there is no rule
""")
