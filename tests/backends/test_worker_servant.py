"""Calls that drive a real backend, in this process."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphprune.backends.worker_servant import Servant, pack, unpack
from graphprune.errors import BackendError
from tests.backends.test_onnxruntime import linear, ones


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool", "uint8"])
def test_arrays_survive_the_way(dtype: str) -> None:
    arrays = {
        "a": np.arange(6).reshape(3, 2).T.astype(dtype),
        "scalar": np.array(1, dtype),
        "empty": np.zeros((0, 2), dtype),
    }
    found = unpack(*pack(arrays))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)


def test_objects_are_not_sent() -> None:
    with pytest.raises(BackendError, match="input 'x' cannot be sent to another process"):
        pack({"x": np.array(["text"], object)})


def request(**changes: Any) -> dict[str, Any]:
    header = {"backend": "onnxruntime", "options": {"optimization": "none"}, "path": None}
    return {**header, "shapes": {}, "precision": "fp32", "threads": 1, **changes}


def test_an_engine_is_built_run_timed_and_profiled() -> None:
    servant = Servant()
    assert servant.available(request(), ()) == ({"reason": None}, ())
    built, _ = servant.build(request(), [linear().SerializeToString()])
    assert built["inputs"] == [["x", ["batch", 4], "float32"]]
    assert built["outputs"] == ["y"]
    assert built["conditions"]["threads"] == 1
    described, blobs = pack(ones(2))
    reply, results = servant.run({"arrays": described}, blobs)
    assert unpack(reply["arrays"], results)["y"].tolist() == [[4, 4]] * 2
    servant.bind({"arrays": described}, blobs)
    assert len(servant.time({"seconds": 0.01}, ())[0]["durations"]) > 1
    assert servant.profile({"arrays": described, "seconds": 0.01}, blobs)[0]["times"]


def test_calls_in_the_wrong_order() -> None:
    with pytest.raises(BackendError, match="no engine has been built"):
        Servant().run({"arrays": []}, ())
    with pytest.raises(BackendError, match="no inputs have been bound"):
        Servant().time({"seconds": 1.0}, ())
