"""A process that crashes, hangs, exits and talks too much; its servant is made up for that."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graphprune.backends.worker import Worker
from graphprune.errors import BackendError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends process groups by signals")

SERVANT = """
import ctypes, os, subprocess, sys, time

class Fake:
    def double(self, header, blobs):
        print("doubling")
        return {"value": 2 * header["value"]}, [blob * 2 for blob in blobs]
    def crash(self, header, blobs):
        print("about to crash", file=sys.stderr, flush=True)
        os.kill(os.getpid(), header["signal"])
    def exit(self, header, blobs):
        os._exit(3)
    def hang(self, header, blobs):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
    def hungry(self, header, blobs):
        raise MemoryError("cannot allocate 9 TiB")
    def fill(self, header, blobs):
        return {"size": len(bytearray(header["size"]))}, ()
    def pid(self, header, blobs):
        return {"pid": os.getpid()}, ()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "fake_servant.py").write_text(SERVANT)
    with closing(Worker("fake_servant:Fake", root=tmp_path)) as one:
        yield one


def gone(pid: int) -> bool:
    """Whether a process has ended, within a while; a zombie has."""
    for _ in range(100):
        try:
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_calls_are_answered(worker: Worker) -> None:
    for value in range(3):
        reply, blobs = worker.call("double", {"value": value}, [b"ab"], limit=60)
        assert (reply, blobs) == ({"value": 2 * value}, [b"abab"])


def test_what_is_printed_goes_to_the_log(worker: Worker) -> None:
    worker.call("double", {"value": 1}, limit=60)
    with pytest.raises(BackendError):
        worker.call("crash", {"signal": 6}, limit=60)
    assert "about to crash" in worker.log()


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (11, "it crashed (SIGSEGV)"),
        (6, "it crashed (SIGABRT)"),
        (9, "it was killed (SIGKILL), as happens when memory runs out"),
    ],
)
def test_a_crash_is_an_error_with_the_log(worker: Worker, signal: int, reason: str) -> None:
    with pytest.raises(BackendError) as caught:
        worker.call("crash", {"signal": signal}, limit=60)
    assert caught.value.what == "the engine's process ended while it was to crash"
    assert caught.value.why == f"{reason}\nits log ends:\nabout to crash"
    assert not worker.alive
    with pytest.raises(BackendError, match="the engine's process ended while it was to double"):
        worker.call("double", {"value": 1}, limit=60)


def test_an_exit_is_an_error(worker: Worker) -> None:
    with pytest.raises(BackendError) as caught:
        worker.call("exit", limit=60)
    assert caught.value.why == "it exited with status 3\nits log is empty"


def test_a_hang_is_ended_with_everything_it_started(worker: Worker) -> None:
    worker.call("double", {"value": 1}, limit=60)
    began = time.monotonic()
    with pytest.raises(BackendError) as caught:
        worker.call("hang", limit=2)
    assert time.monotonic() - began < 30
    assert caught.value.what == "the engine's process took more than 2 s to hang, and was ended"
    child = int(worker.log().rpartition("child ")[2])
    assert gone(child)


def test_a_request_that_nobody_reads_is_ended_too(worker: Worker) -> None:
    # It is stopped before it reads the request, which is larger than a pipe holds.
    worker.call("pid", limit=60)
    os.kill(worker._process.pid, 19)
    with pytest.raises(BackendError, match="took more than 1 s"):
        worker.call("double", {"value": 1}, [bytes(10_000_000)], limit=1)


def test_an_exception_leaves_the_process_usable(worker: Worker) -> None:
    with pytest.raises(BackendError) as caught:
        worker.call("hungry", limit=60)
    assert caught.value.what == "MemoryError: cannot allocate 9 TiB"
    assert "Traceback" in str(caught.value.why)
    assert worker.call("double", {"value": 4}, limit=60)[0] == {"value": 8}


def test_closing_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "fake_servant.py").write_text(SERVANT)
    worker = Worker("fake_servant:Fake", root=tmp_path)
    pid = worker.call("pid", limit=60)[0]["pid"]
    worker.close()
    assert gone(pid)
    assert not worker.alive
    with pytest.raises(BackendError):
        worker.call("pid", limit=60)
    worker.close()


def test_interpreters_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(BackendError) as caught:
        Worker("fake_servant:Fake", python=str(tmp_path / "python"))
    assert str(caught.value) == (
        "BackendError: the interpreter cannot be started\n"
        f"  where: {tmp_path / 'python'}\n"
        "  why:   No such file or directory"
    )


def test_a_servant_that_cannot_be_imported(tmp_path: Path) -> None:
    with closing(Worker("absent:Fake", python=sys.executable, root=tmp_path)) as worker:
        with pytest.raises(BackendError) as caught:
            worker.call("pid", limit=60)
        assert "No module named 'absent'" in str(caught.value.why)
        assert str(caught.value.why).startswith("it exited with status 1\n")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_memory_is_limited(tmp_path: Path) -> None:
    (tmp_path / "fake_servant.py").write_text(SERVANT)
    with closing(Worker("fake_servant:Fake", root=tmp_path, memory=2**29)) as one:
        assert one.call("fill", {"size": 2**20}, limit=10)[0] == {"size": 2**20}
        with pytest.raises(BackendError, match="MemoryError") as caught:
            one.call("fill", {"size": 2**30}, limit=10)
        assert caught.value.fix == (
            "the process may have 512 MiB; if that is too little, raise the limit on memory"
        )
        assert one.alive


def test_systems_that_limit_no_memory_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(BackendError, match="memory can be limited on Linux only"):
        Worker("fake_servant:Fake", memory=2**30)


def test_a_package_is_a_servant_without_its_neighbours(tmp_path: Path) -> None:
    folder = tmp_path / "beside" / "parts"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "part.py").write_text("WORD = 'whole'")
    (folder / "servant.py").write_text(
        "import json\n"
        "from .part import WORD\n"
        "class Fake:\n"
        "    def word(self, header, blobs):\n"
        "        return {'word': WORD, 'json': json.__file__}, ()\n"
    )
    # A neighbour that is called like a module of the standard library must not be found.
    (tmp_path / "beside" / "json.py").write_text("raise ImportError")
    with closing(Worker("adopted.servant:Fake", root=folder)) as worker:
        reply, _ = worker.call("word", limit=60)
    assert reply["word"] == "whole"
    assert str(tmp_path) not in reply["json"]
