"""What becomes of errors, foreseen or not."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from graphprune.cli.failures import reported
from graphprune.errors import BadData


def failing(error: BaseException, words: Sequence[str]) -> int:
    """The status that an error ends in."""
    with pytest.raises(SystemExit) as caught, reported(words):
        raise error
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_an_error_is_its_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(BadData("no such file", where="x.npz", fix="give another"), []) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "BadData: no such file\n  where: x.npz\n  fix:   give another\n"


def test_an_error_is_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(BadData("no such file", why="it is gone"), ["inspect", "--json"]) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "error": {
            "class": "BadData",
            "what": "no such file",
            "where": None,
            "why": "it is gone",
            "fix": None,
        }
    }


def test_a_full_disk_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(OSError(28, "No space left on device"), []) == 2
    assert capsys.readouterr().err == "OSError: [Errno 28] No space left on device\n"


def test_a_bug_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyError("weight"), ["inspect"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("InternalError: KeyError: 'weight'\n")
    assert "bug in graphprune" in err
    assert "Traceback" not in err


def test_verbose_shows_where_a_bug_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyError("weight"), ["inspect", "-v"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert __file__ in err


def test_success_passes() -> None:
    with reported(["bench", "--json"]) as as_json:
        assert as_json
    with reported(["bench"]) as as_json:
        assert not as_json
