"""Specs: a pass and its options in one text, such as ``pfp:sensitivity=edge,delta=1e-8``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from inspect import cleandoc
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from graphprune.errors import BadData

Value = str | bool | int | float | None

GRAMMAR = "NAME or NAME:OPTION=VALUE,OPTION=VALUE"


@dataclass(frozen=True)
class Option:
    """One option of a pass: a field of its dataclass.

    Attributes:
        name: The field's.
        kinds: What values may be: ``float``, ``int``, ``bool``, ``str``, ``NoneType``, or texts
            that are the only ones allowed. None of them where it cannot be given as text.
        default: Where it is not given; MISSING where it has to be.
        about: What the class says about it.
    """

    name: str
    kinds: tuple[type[Any] | str, ...]
    default: Any
    about: str = ""

    def __str__(self) -> str:
        """``delta=1e-16``; only the name where there is no default that can be written."""
        written = _spelled(self.default)
        return self.name if written is None else f"{self.name}={written}"

    @property
    def expected(self) -> str:
        """What values may be, in words."""
        return " or ".join(_WORDS.get(kind, str(kind)) for kind in self.kinds)

    def read(self, text: str) -> Value:
        """The value that a text stands for.

        Args:
            text: As a user wrote it.

        Raises:
            ValueError: It stands for none of the values that are allowed.
        """
        # Text last: everything is one.
        for kind in sorted(self.kinds, key=lambda kind: kind is str):
            if isinstance(kind, str):
                if kind == text:
                    return text
                continue
            try:
                return _READERS[kind](text)
            except ValueError:
                continue
        raise ValueError(text)

    def written(self, value: object) -> str | None:
        """The text that :meth:`read` takes for a value; None where there is none.

        Args:
            value: Of this option.
        """
        text = _spelled(value)
        if text is None or "," in text or text != text.strip():
            return None
        try:
            return text if self.read(text) == value else None
        except ValueError:
            return None


def options_of(cls: type[Any]) -> tuple[Option, ...]:
    """The options of a pass.

    Args:
        cls: Its dataclass; the section "Attributes" of its docstring says what they are.
    """
    hints, about = get_type_hints(cls), _attributes(cls.__doc__ or "")
    return tuple(
        Option(field.name, _kinds(hints[field.name]), field.default, about.get(field.name, ""))
        for field in fields(cls)
        if field.init
    )


def split(kind: str, spec: str) -> tuple[str, dict[str, str]]:
    """A spec's name and its options, not yet read.

    Args:
        kind: What it names, for messages: ``criterion``, ``method`` …
        spec: As a user wrote it.

    Raises:
        BadData: It is not spelled as a spec is.
    """
    name, colon, rest = (part.strip() for part in spec.partition(":"))
    if not name:
        raise _misspelled(kind, spec, "it names nothing")
    found: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (key and equals and value):
            raise _misspelled(kind, spec, f"'{part.strip()}' is not OPTION=VALUE")
        if key in found:
            raise _misspelled(kind, spec, f"option '{key}' is given twice")
        found[key] = value
    return name, found


def joined(name: str, options: Mapping[str, str]) -> str:
    """The spec of a name and its options, which :func:`split` takes apart."""
    return ":".join(filter(None, (name, ",".join(f"{k}={v}" for k, v in options.items()))))


def wrong_value(owner: str, option: Option, text: str, spec: str) -> BadData:
    """The error for a value that is none of its option's.

    Args:
        owner: Whose option it is: ``criterion 'pfp'``.
        option: The option.
        text: What was given for it.
        spec: The whole that it was found in.
    """
    if not option.kinds:
        return BadData(
            f"option '{option.name}' of {owner} cannot be given as text",
            where=spec,
            fix="give an instance of the class, in Python",
        )
    return BadData(
        f"option '{option.name}' of {owner} cannot be '{text}'",
        where=spec,
        why=f"expected {option.expected}",
        fix=f"for example: {option}",
    )


def summary_of(doc: str) -> str:
    """The first paragraph of a docstring, on one line."""
    return _plain(cleandoc(doc).partition("\n\n")[0])


def source_of(doc: str) -> str:
    """What a docstring names as its source, on one line; nothing where it names none."""
    found = (part for part in cleandoc(doc).split("\n\n") if part.startswith("Source:"))
    return _plain(next(found, "").removeprefix("Source:"))


def _attributes(doc: str) -> dict[str, str]:
    """What the section "Attributes" of a docstring says, by name."""
    _, _, section = cleandoc(doc).partition("Attributes:\n")
    pattern = r"^    (\w+): (.*(?:\n {5,}.*)*)"
    return {name: _plain(text) for name, text in re.findall(pattern, section, re.M)}


def _plain(text: str) -> str:
    """One line without markup."""
    return " ".join(re.sub(r":\w+:`~?|`", "", text).split())


def _kinds(hint: Any) -> tuple[type[Any] | str, ...]:
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    if get_origin(hint) is Literal:
        return tuple(choice for choice in get_args(hint) if isinstance(choice, str))
    return (hint,) if hint in _READERS else ()


def _truth(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.lower())
    if found is None:
        raise ValueError(text)
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _nothing(text: str) -> None:
    if text.lower() != "none":
        raise ValueError(text)


_READERS: dict[type[Any], Callable[[str], Value]] = {
    NoneType: _nothing,
    bool: _truth,
    int: int,
    float: _finite,
    str: str,
}
_WORDS: dict[type[Any] | str, str] = {
    NoneType: "none",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}


def _spelled(value: object) -> str | None:
    """A value as users write it; None for one that they cannot."""
    if value is MISSING:
        return None
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return re.sub(r"e([+-])0+", r"e\1", repr(float(value)))  # 1e-8, not 1e-08
    return value if isinstance(value, str) else None


def _misspelled(kind: str, spec: str, why: str) -> BadData:
    return BadData(f"{kind} '{spec}' cannot be read", why=why, fix=f"write {GRAMMAR}")
