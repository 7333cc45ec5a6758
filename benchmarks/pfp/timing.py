"""How long PFP takes on ResNet-56 from the start of a process to the written file, by stage.

    python -m benchmarks.pfp.timing --data DIR

Two ways are timed, each in a fresh process: a module that is pruned and exported by one call, and
a module that is exported first, whose file `graphprune prune` then narrows. Required: a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parents[2]
NETWORK, KEPT, REQUIRED = "resnet56", 0.5, 60.0
ROUTES = ("module", "file")
_STAGE = re.compile(r"^\s*([\d.]+) s  (.+)$", re.MULTILINE)


class Watch:
    """Seconds of one stage after the other, since the process began or the stage before ended."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last, self._name = time.perf_counter(), ""

    def __call__(self, name: str) -> None:
        """Begins a stage."""
        now = time.perf_counter()
        if self._name:
            self.stages[self._name] = self.stages.get(self._name, 0.0) + now - self._last
        self._last, self._name = now, name


def module(watch: Watch, folder: Path, images: Path) -> None:
    """Prunes and exports by one call."""
    network, example, data = _prepared(watch, images)
    watch("import graphprune")
    import graphprune

    options = {"macs": KEPT, "criterion": "pfp", "allocation": "pfp", "data": data, "stage": watch}
    graphprune.export(network, example, folder / "small.onnx", **options)
    watch("end")
    # The library names no stage after its proof.
    watch.stages["proving, exporting, comparing"] = watch.stages.pop("proving the result")


def file(watch: Watch, folder: Path, images: Path) -> None:
    """Exports, and narrows the file by the command line."""
    network, example, data = _prepared(watch, images)
    watch("torch.onnx.export")
    import numpy
    import torch

    batch = torch.export.Dim("batch")
    torch.onnx.export(
        network, (example,), folder / "wide.onnx", input_names=["images"],
        dynamic_shapes=[{0: batch}], dynamo=True, verbose=False, external_data=False,
    )  # fmt: skip
    numpy.savez(folder / "data.npz", images=torch.cat([inputs for inputs, _ in data]).numpy())
    watch("graphprune prune: start, reading options, writing")
    wide, small, calibration = (str(folder / n) for n in ("wide.onnx", "small.onnx", "data.npz"))
    command = [sys.executable, "-m", "graphprune", "prune", wide, "-o", small, "--macs", str(KEPT)]
    command += ["--criterion", "pfp", "--allocation", "pfp", "--data", calibration]
    command += ["--no-bench", "--verbose"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    watch("end")
    found = {f"graphprune prune: {name}": float(t) for t, name in _STAGE.findall(done.stderr)}
    whole = "graphprune prune: start, reading options, writing"
    watch.stages[whole] -= sum(found.values())
    watch.stages |= found


def _prepared(watch: Watch, images: Path) -> tuple[Any, Any, Any]:
    """The network, its example, and the images that PFP asks for."""
    watch("import torch")
    import torch

    from benchmarks.images import data, networks
    from benchmarks.pfp.methods import BATCH

    watch("reading weights and images")
    network = networks.pretrained(NETWORK, images)
    if network is None:
        raise SystemExit(f"{images} holds no {networks.NETWORKS[NETWORK].pretrained}")
    found = data.load("cifar10", "train", images, count=300)
    # 186 images are what the bound asks for on this network; more are not looked at.
    return network, torch.zeros(2, 3, 32, 32), list(found.first(186).batches(BATCH))


def once(route: str, images: Path, threads: int) -> dict[str, Any]:
    """One fresh process: its seconds by the clock and of the processor, and by stage."""
    command = [sys.executable, "-m", "benchmarks.pfp.timing", "--route", route]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--data", images],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | limits,
    )
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stages = json.loads(done.stdout.splitlines()[-1])
    stages["start of Python, end"] = clock - sum(stages.values())
    rounded = {name: round(seconds, 2) for name, seconds in stages.items()}
    return {"seconds": round(clock, 2), "processor_seconds": round(busy, 2), "stages": rounded}


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="as benchmarks.pfp.oneshot")
    parser.add_argument("--route", choices=ROUTES, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--machine", default="", help="what it ran on, for the file's head")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write into")
    given = parser.parse_args()
    if given.route:
        watch = Watch()
        with tempfile.TemporaryDirectory() as scratch:
            {"module": module, "file": file}[given.route](watch, Path(scratch), given.data)
        print(json.dumps(watch.stages))
        return
    from benchmarks.images.data import folder_of
    from benchmarks.images.record import versions

    folder = folder_of(given.data).resolve()
    runs = {r: [once(r, folder, given.threads) for _ in range(given.runs)] for r in ROUTES}
    head = {"network": NETWORK, "macs": KEPT, "threads": given.threads, "required": REQUIRED}
    head |= {"machine": given.machine, "versions": versions()}
    text = json.dumps({**head, "runs": runs}, indent=2)
    (given.out / f"timing-{given.threads}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
