"""A pruned module under DistributedDataParallel: two processes, one model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

SCRIPT = """
import os, sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
import graphprune
from tests.training.networks import IMAGES, convs, momentum

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
module = convs(seed=rank)  # rank 1 gets rank 0's weights, which are those that are pruned
for tensor in module.state_dict().values():
    dist.broadcast(tensor, 0)
optimizer = momentum(module)
result = graphprune.prune(module, IMAGES, macs=0.5, optimizer=optimizer)
parallel = DistributedDataParallel(result.model)
torch.manual_seed(rank)
for _ in range(2):
    result.optimizer.zero_grad()
    images, classes = torch.randn(4, 1, 8, 8), torch.randint(0, 10, (4,))
    torch.nn.functional.cross_entropy(parallel(images), classes).backward()
    result.optimizer.step()
flat = torch.cat([p.detach().flatten() for p in result.model.parameters()])
both = [torch.empty_like(flat) for _ in range(2)]
dist.all_gather(both, flat)
before = torch.cat([p.detach().flatten() for p in graphprune.apply(
    module, result.plan, IMAGES, run=False).model.parameters()])
print("equal", torch.equal(*both), "trained", not torch.equal(flat, before),
      "narrower", flat.numel() < sum(p.numel() for p in module.parameters()))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_both_ranks_have_the_same_parameters_after_training(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", SCRIPT]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meeting")],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        out, err = process.communicate(timeout=300)
        assert (process.returncode, out) == (0, "equal True trained True narrower True\n"), err
