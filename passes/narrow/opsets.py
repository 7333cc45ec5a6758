"""Bodies of functions written into the main graph: under its operator sets."""

from __future__ import annotations

import onnx
from onnx import defs

from graphprune.errors import UnsupportedModel
from graphprune.frontends.onnx import Lowered
from graphprune.frontends.onnx.native import Native


def import_domains(proto: onnx.ModelProto, lowered: Lowered, opened: set[int]) -> None:
    """Import the operator sets that written-out function bodies need.

    Args:
        proto: The edited model.
        lowered: The original.
        opened: Indices of the calls that are written out.

    Raises:
        UnsupportedModel: An operator means something else under the model's own operator set.
    """
    have = {o.domain or "": o.version for o in proto.opset_import}
    for native in lowered.natives:
        domain = "" if native.proto.domain == "ai.onnx" else native.proto.domain
        if native.call not in opened or not native.opset:
            continue
        if domain not in have:
            proto.opset_import.add(domain=domain, version=native.opset)
            have[domain] = native.opset
        elif have[domain] != native.opset and not _same(native, domain, have[domain]):
            call = lowered.model.proto.graph.node[native.call]
            raise UnsupportedModel(
                f"function '{call.op_type}' cannot be written out",
                where=native.title,
                why=f"{native.proto.op_type} of opset {native.opset} may mean something else in "
                f"opset {have[domain]}, which the model uses",
                fix="convert the model to one opset (onnx.version_converter), or exclude the "
                "function's channels with --keep",
            )


def _same(native: Native, domain: str, version: int) -> bool:
    """Whether an operator has the same form under two versions of its operator set."""
    try:
        forms = [defs.get_schema(native.proto.op_type, v, domain) for v in (native.opset, version)]
    except defs.SchemaError:
        return False
    if forms[0].since_version == forms[1].since_version:
        return True
    old, new = ([_attributes(f), _operands(f.inputs), _operands(f.outputs)] for f in forms)
    return old == new


def _attributes(schema: defs.OpSchema) -> list[tuple[str, object, bool, bytes]]:
    return sorted(
        (name, a.type, a.required, a.default_value.SerializeToString())
        for name, a in schema.attributes.items()
    )


def _operands(parameters: object) -> list[tuple[str, object]]:
    assert isinstance(parameters, list | tuple)
    return [(p.name, p.option) for p in parameters]
