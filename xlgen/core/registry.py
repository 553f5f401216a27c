"""A table of named things with one way to add to it and one way to ask for it.

An objective, a measure or a task registers itself where it is defined; every list that users see (the command line,
the docs, the "did you mean" of an error) is read from the table, so nothing else has to be edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from xlgen.core.errors import UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind.

    >>> colours = Registry("colour")
    >>> colours.add("red", 1)
    1
    >>> colours["rad"]
    Traceback (most recent call last):
    xlgen.core.errors.UnknownName: unknown colour 'rad'. Did you mean 'red'? Known: red.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Enter ``entry`` under ``name``; a name can be taken only once."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""
        return lambda entry: self.add(name, entry)

    @contextmanager
    def standing_in(self, name: str, entry: T) -> Iterator[None]:
        """Let ``name`` be ``entry`` in the block, whether or not it is taken."""
        before = dict(self._entries)
        self._entries[name] = entry
        try:
            yield
        finally:
            self._entries.clear()
            self._entries.update(before)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownName(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self):
        return self._entries.items()
