"""Messages, and the loop that answers them, in this process."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest

from graphprune.backends.worker_process import Message, receive, send, serve


class Echo:
    """Answers with what it got, or fails."""

    def echo(self, header: dict[str, Any], blobs: list[bytes]) -> Message:
        return {**header, "seen": True}, blobs[::-1]

    def fail(self, header: dict[str, Any], blobs: list[bytes]) -> Message:
        raise MemoryError("too large")


def answers(*calls: tuple[dict[str, Any], list[bytes]]) -> list[tuple[dict[str, Any], list[bytes]]]:
    requests, replies = io.BytesIO(), io.BytesIO()
    for header, blobs in calls:
        send(requests, header, blobs)
    requests.seek(0)
    serve(Echo(), requests, replies)
    replies.seek(0)
    return [receive(replies) for _ in calls]


def test_headers_and_blobs_come_back() -> None:
    blobs = [b"\x00\xff", b"", b"x" * 70_000]
    assert answers(({"call": "echo", "name": "é"}, blobs)) == [
        ({"name": "é", "seen": True}, blobs[::-1])
    ]


def test_a_failed_call_is_answered_and_the_next_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    failed, fine = answers(({"call": "fail"}, []), ({"call": "echo"}, []))
    assert failed[0]["error"] == "MemoryError"
    assert failed[0]["what"] == "MemoryError: too large"
    assert fine[0] == {"seen": True}
    assert "Traceback" in capsys.readouterr().err


def test_a_message_cut_short_is_the_end() -> None:
    stream = io.BytesIO()
    send(stream, {"a": 1}, [b"four"])
    for size in (0, 4, 10, len(stream.getvalue()) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(stream.getvalue()[:size]))
    assert struct.unpack(">Q", stream.getvalue()[:8])[0] < 100
