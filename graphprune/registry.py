"""Registries: passes by the name that the command line knows them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar

from graphprune.errors import BadData

Pass = TypeVar("Pass")


class Registry(Generic[Pass]):
    """Pass classes of one kind; each is a frozen dataclass whose fields are its options."""

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
            ValueError: The name is taken.
        """

        def add(cls: type[Pass]) -> type[Pass]:
            if name in self._classes:
                raise ValueError(f"{self.kind} '{name}' is registered twice")
            self._classes[name] = cls
            return cls

        return add

    def options(self, name: str) -> tuple[str, ...]:
        """The names of a pass's options.

        Raises:
            BadData: There is no such pass.
        """
        if name not in self._classes:
            raise BadData(
                f"no {self.kind} is called '{name}'", fix=f"choose one of: {', '.join(self.names)}"
            )
        return tuple(field.name for field in fields(self._classes[name]) if field.init)

    def create(self, name: str, options: Mapping[str, object]) -> Pass:
        """A pass with its options set.

        Args:
            name: Its name.
            options: Values of its fields; the others keep their defaults.

        Raises:
            BadData: There is no such pass, or it has no such option.
        """
        known = self.options(name)
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise BadData(
                f"{self.kind} '{name}' has no option '{unknown[0]}'",
                fix=f"its options are: {', '.join(known) or 'none'}",
            )
        created: Pass = self._classes[name](**options)
        return created
