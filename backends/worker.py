"""A process to crash in: calls with a time limit, and what becomes of the process's end."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from graphprune.backends import worker_process
from graphprune.backends.worker_process import Blob, Header
from graphprune.errors import BackendError, BackendUnavailable

_LOG_LINES = 20
"""Last lines of the process's log that an error shows."""

_FAREWELL = 5.0
"""Seconds a process has to end after it was told to."""


class Worker:
    """One process that runs a servant; see `worker_process`."""

    def __init__(
        self,
        servant: str,
        *,
        python: str | None = None,
        root: Path | None = None,
        memory: int | None = None,
    ) -> None:
        """Starts the process.

        Args:
            servant: `module:class`.
            python: The interpreter; this one where None.
            root: The folder to import the servant from; that of graphprune where None.
            memory: Bytes of address space it may have; GPU libraries reserve more than they use.

        Raises:
            BackendError: The interpreter cannot be started, or this system limits no memory.
        """
        self._memory = _checked(memory)
        root = root or _root()
        script = str(Path(worker_process.__file__).resolve())
        # Lives as long as the process; `close` closes it.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, script, servant, str(root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # A group of its own, so that whatever it starts ends with it.
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise BackendError(
                "the interpreter cannot be started", where=python, why=error.strerror
            ) from error
        self._finalizer = weakref.finalize(self, _kill, self._process)
        _limit(self._process.pid, memory)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def call(
        self, name: str, header: Header | None = None, blobs: Sequence[Blob] = (), *, limit: float
    ) -> tuple[Header, list[bytes]]:
        """Calls the servant and waits for its reply.

        Args:
            name: The servant's method.
            header: Goes to it.
            blobs: Go to it.
            limit: Seconds it may take; then the process is killed.

        Returns:
            The reply's header and blobs.

        Raises:
            BackendUnavailable: The servant raised it.
            BackendError: The servant raised anything else, the process ended, or the time is up.
        """
        if not self.alive:
            raise self._ended(name, None)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"call": name, **(header or {})}
        with self._watched(limit) as expired:
            try:
                worker_process.send(self._process.stdin, request, blobs)
                reply, results = worker_process.receive(self._process.stdout)
            except (OSError, EOFError) as error:
                raise self._ended(name, limit if expired.is_set() else None) from error
            except BaseException:
                # Interrupted between call and reply, it could never be spoken to again.
                _kill(self._process)
                raise
        if "error" in reply:
            raise self._failed(reply)
        return reply, results

    @contextmanager
    def _watched(self, limit: float) -> Iterator[threading.Event]:
        """Sets the event and kills the process when the time is up."""
        expired = threading.Event()

        def end() -> None:
            # Killing it ends a blocked write as well as a blocked read.
            expired.set()
            _kill(self._process)

        watch = threading.Timer(limit, end)
        watch.daemon = True
        watch.start()
        try:
            yield expired
        finally:
            watch.cancel()

    def _failed(self, reply: Header) -> BackendError | BackendUnavailable:
        """The servant's exception, as one of ours."""
        parts: dict[str, Any] = {name: reply[name] for name in ("where", "why", "fix")}
        if reply["error"] == "BackendUnavailable":
            return BackendUnavailable(reply["what"], **parts)
        if reply["error"] != "BackendError":
            parts["why"] = self.log() or None
        parts["fix"] = parts["fix"] or self._more()
        return BackendError(reply["what"], **parts)

    def _more(self) -> str | None:
        """Reminds of the limit on memory: what libraries say when it is reached varies."""
        if self._memory is None:
            return None
        limit = f"{self._memory / 2**20:,.0f} MiB"
        return f"the process may have {limit}; if that is too little, raise the limit on memory"

    def _ended(self, name: str, limit: float | None) -> BackendError:
        """The end of the process, told as an error."""
        # Its pipes close a moment before it has ended; how it ended is its own affair till then.
        if limit is None:
            self._await()
        _kill(self._process)
        code = self._process.wait()
        log = self.log()
        why = "\nits log ends:\n" + log if log else "\nits log is empty"
        if limit is not None:
            what = f"the engine's process took more than {limit:g} s to {name}, and was ended"
            return BackendError(
                what,
                why="time is up" + why,
                fix="allow more time, with --limit on the command line",
            )
        what = f"the engine's process ended while it was to {name}"
        return BackendError(what, why=_ending(code) + why, fix=self._more())

    def _await(self) -> None:
        """Lets the process end by itself, for a while."""
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            _kill(self._process)

    def log(self) -> str:
        """Returns the last lines the process printed."""
        if self._log.closed:
            return ""
        return _tail(self._log)

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                # It has ended already, with a request in the pipe.
                _kill(self._process)
        self._await()
        self._finalizer()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


def _checked(memory: int | None) -> int | None:
    """Refuses a limit that could not be kept."""
    if memory is not None and platform.system() != "Linux":
        raise BackendError("memory can be limited on Linux only")
    return memory


def _limit(process: int, memory: int | None) -> None:
    """Limits the address space of a process, unless it has ended already.

    From outside: between fork and exec no code of ours may run beside other threads.
    """
    if memory is None:
        return
    resource = importlib.import_module("resource")  # other systems have none
    try:
        resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))
    except ProcessLookupError:
        # The first call will tell how it ended.
        return


def _root() -> Path:
    """The folder that holds the package, wherever its parts lie."""
    origin = sys.modules[worker_process.PACKAGE].__file__
    assert origin is not None
    return Path(origin).resolve().parents[1]


def _tail(log: IO[bytes]) -> str:
    # A descriptor shared with the process: reading at a position leaves its own where it is.
    size = os.fstat(log.fileno()).st_size
    begin = max(0, size - 65536)
    text = os.pread(log.fileno(), size - begin, begin).decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-_LOG_LINES:])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and what it started; one that has ended is only waited for."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended between the question and the signal.
            process.poll()
    process.wait()


def _ending(code: int) -> str:
    """Says in words how a process ended."""
    if code >= 0:
        return f"it exited with status {code}"
    name = signal.Signals(-code).name
    if -code == signal.SIGKILL:
        return "it was killed (SIGKILL), as happens when memory runs out"
    return f"it crashed ({name})"
