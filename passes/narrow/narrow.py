"""The rewrite pass for ONNX models."""

from __future__ import annotations

from collections import defaultdict

from graphprune.frontends.onnx import Lowered
from graphprune.groups import Alive, Coupling
from graphprune.ir import Node
from graphprune.passes.narrow import layers as _layers  # noqa: F401  fills the table
from graphprune.passes.narrow import operators as _operators  # noqa: F401  fills the table
from graphprune.passes.narrow import parameters, shuffle
from graphprune.passes.narrow import scatter as _scatter  # noqa: F401  fills the table
from graphprune.passes.narrow.edit import Editor, Narrowed
from graphprune.passes.narrow.patch import Patcher
from graphprune.passes.narrow.refold import Refold
from graphprune.passes.narrow.respell import RESPELL, SetAttribute, Site
from graphprune.passes.reconstruct import Patch


def narrow(
    lowered: Lowered, coupling: Coupling, alive: Alive, patch: Patch | None = None
) -> Narrowed:
    """Write the model in which the dead units are gone.

    Args:
        lowered: The original.
        coupling: Its groups, from the same graph.
        alive: Whether each unit lives, by unit id.
        patch: What kept weights are multiplied by; None where they stay what they are.

    Returns:
        The edited model; its tensors are cut and multiplied when they are read.

    Raises:
        UnsupportedModel: An operator has no words for what the plan wants.
    """
    editor = Editor(lowered)
    shapes = coupling.losses(alive)
    editor.resized.update(shapes)
    folded = Refold(lowered, shapes)
    patcher = Patcher(editor, folded, lowered)
    canonical: dict[int, list[Node]] = defaultdict(list)
    for node in coupling.graph.nodes:
        for index in node.origin[-1:]:
            canonical[index].append(node)
    for native in lowered.natives:
        folded.visit(native)
        if native.op_type == "ConstantOfShape" and _filled(coupling, native.proto.output[0]):
            canonical[native.index].append(Node("reshape", (), tuple(native.proto.output)))
        for node in canonical.get(native.index, ()):
            _rewrite(Site(node, native, coupling, alive, folded), editor, patcher)
        patcher.restore(native)
    patcher.pins.outputs()
    parameters.cut(editor, coupling, alive, patch)
    editor.prune_dead()
    return editor.finish()


def _filled(coupling: Coupling, name: str) -> bool:
    """Whether a value is a parameter that a node makes of one number."""
    return name in coupling.graph.values and coupling.graph.values[name].kind == "param"


def _rewrite(site: Site, editor: Editor, patcher: Patcher) -> None:
    """One canonical node's edits."""
    names = (*site.node.inputs, *site.node.outputs)
    touched = any(n and n in editor.resized for n in names)
    if site.node.family == "opaque" or not (touched or _arithmetic_changed(site, editor)):
        return
    if site.node.op == "shuffle":
        shuffle.rewrite(site, editor)
        return
    rule = RESPELL.get(site.native.op_type)
    for edit in rule(site) if rule is not None else ():
        if isinstance(edit, SetAttribute):
            editor.attribute(site.native.index, edit.name, edit.value)
        else:
            patcher.set(site.native, edit.index, edit.value)


def _arithmetic_changed(site: Site, editor: Editor) -> bool:
    natives = [editor.lowered.natives[i] for i in site.node.origin] or [site.native]
    return any(site.folded.changed(name) for native in natives for name in native.proto.input)
