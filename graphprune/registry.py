"""Registries: passes by the name that the command line knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from graphprune import specs
from graphprune.errors import BadData
from graphprune.specs import Option

Pass = TypeVar("Pass")

NEEDS = ("data", "gradients")
"""What a pass may need beyond weights: batches to run the model on; a loss of these to derive."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Entry:
    """What a registry knows about one pass.

    Attributes:
        name: What it is registered under.
        summary: What its class says about itself first.
        options: Its fields.
        needs: What it cannot do without, of :data:`NEEDS`.
        source: The paper that its class names; empty where there is none.
    """

    name: str
    summary: str
    options: tuple[Option, ...]
    needs: frozenset[str]
    source: str


class Registry(Generic[Pass]):
    """Pass classes of one kind; each is a frozen dataclass whose fields are its options.

    A class attribute ``needs``, a frozenset of :data:`NEEDS`, says what a pass must be given
    besides weights, so that it can be refused before anything is computed.
    """

    def __init__(self, kind: str) -> None:
        """An empty registry.

        Args:
            kind: What its passes are called in messages: ``criterion``, ``policy`` ...
        """
        self.kind = kind
        self._classes: dict[str, type[Any]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The registered names in alphabetical order."""
        return tuple(sorted(self._classes))

    def register(self, name: str) -> Callable[[type[Pass]], type[Pass]]:
        """A class decorator that adds a pass.

        Args:
            name: Its name.

        Raises:
            ValueError: The name is taken, or the class needs what cannot be given.
        """

        def add(cls: type[Pass]) -> type[Pass]:
            if name in self._classes:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            unknown = _needs(cls) - set(NEEDS)
            if unknown:
                raise ValueError(f"{self.kind} '{name}' needs {sorted(unknown)}, not of {NEEDS}")
            self._classes[name] = cls
            return cls

        return add

    def entry(self, name: str) -> Entry:
        """What is known about a pass.

        Raises:
            BadData: There is no such pass.
        """
        cls = self._class(name, name)
        doc = cls.__doc__ or ""
        return Entry(
            name, specs.summary_of(doc), specs.options_of(cls), _needs(cls), specs.source_of(doc)
        )

    def options(self, name: str) -> tuple[Option, ...]:
        """A pass's options.

        Raises:
            BadData: There is no such pass.
        """
        return specs.options_of(self._class(name, name))

    def create(self, spec: str | Pass, options: Mapping[str, object] = _NOTHING) -> Pass:
        """A pass with its options set.

        Args:
            spec: Its name, with options as ``name:option=value,option=value``; or the pass itself.
            options: Values of its fields, beside those of the spec.

        Raises:
            BadData: There is no such pass, it has no such option, or the spec is misspelled.
        """
        if not isinstance(spec, str):
            return replace(spec, **options) if options else spec  # type: ignore[type-var]
        name, texts = specs.split(self.kind, spec)
        cls = self._class(name, spec)
        known = {option.name: option for option in specs.options_of(cls)}
        unknown = [key for key in (*texts, *options) if key not in known]
        if unknown:
            raise BadData(
                f"{self.kind} '{name}' has no option '{unknown[0]}'",
                where=spec if texts else None,
                fix=f"its options are: {', '.join(map(str, known.values())) or 'none'}",
            )
        values = {key: self._value(name, known[key], text, spec) for key, text in texts.items()}
        try:
            created: Pass = cls(**{**values, **options})
        except BadData as error:
            where = error.where or f"{self.kind} '{spec}'"
            raise BadData(error.what, where=where, why=error.why, fix=error.fix) from error
        return created

    def spec(self, chosen: str | Pass) -> str:
        """The one spec of a pass: options in the order of its fields, without defaults.

        Args:
            chosen: A spec of it, or the pass itself.

        Raises:
            BadData: As :meth:`create`; or its class is not registered, or an option cannot be
                written as text.
        """
        created = self.create(chosen)
        name = next((n for n, cls in self._classes.items() if type(created) is cls), None)
        if name is None:
            raise BadData(
                f"{created!r} is no registered {self.kind}",
                why="plans record passes by name",
                fix=f"register its class, or choose one of: {', '.join(self.names)}",
            )
        texts = {}
        for option in specs.options_of(type(created)):
            value = getattr(created, option.name)
            if value != option.default:
                texts[option.name] = self._written(name, option, value)
        return specs.joined(name, texts)

    def needs(self, spec: str | Pass) -> frozenset[str]:
        """What a pass cannot do without, of :data:`NEEDS`.

        Raises:
            BadData: As :meth:`create`.
        """
        return _needs(self.create(spec))

    def _class(self, name: str, spec: str) -> type[Any]:
        if name not in self._classes:
            raise BadData(
                f"no {self.kind} is called '{name}'",
                where=spec if spec != name else None,
                fix=f"choose one of: {', '.join(self.names)}",
            )
        return self._classes[name]

    def _value(self, name: str, option: Option, text: str, spec: str) -> specs.Value:
        try:
            return option.read(text)
        except ValueError as error:
            raise specs.wrong_value(f"{self.kind} '{name}'", option, text, spec) from error

    def _written(self, name: str, option: Option, value: object) -> str:
        text = option.written(value)
        if text is None:
            raise BadData(
                f"option '{option.name}' of {self.kind} '{name}' cannot be {value!r}",
                why="plans record options as text, and no text stands for this value",
            )
        return text


def _needs(owner: object) -> frozenset[str]:
    """What a pass or its class says that it needs."""
    return frozenset(getattr(owner, "needs", ()))
