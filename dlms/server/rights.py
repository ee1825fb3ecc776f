"""What an association may do with an object.  Blue Book, Association LN versions 0 to 2."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from dlms.interface import Interface
from dlms.values import Enum, Integer, LongUnsigned, Unsigned


class Access(enum.IntEnum):
    """Access mode of an attribute."""

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3

    @property
    def readable(self) -> bool:
        """Whether a GET is served."""
        return bool(self & 1)

    @property
    def writable(self) -> bool:
        """Whether a SET is served."""
        return bool(self & 2)


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """Access by attribute index, and the methods that may be called.  What is not named is not allowed."""

    attributes: Mapping[int, Access]
    methods: frozenset[int] = frozenset()

    def access(self, index: int) -> Access:
        """The access mode of attribute `index`."""
        return self.attributes.get(index, Access.NONE)


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """One object as one association sees it.  `base_name` is its short name where the meter's maker has set it."""

    interface: Interface
    rights: Rights
    base_name: int | None = None

    def list_element(self) -> tuple[Any, ...]:
        """The object_list_element of Association LN: class, version, name, rights of attributes and methods."""
        of = self.interface
        return LongUnsigned(of.class_id), Unsigned(of.version), bytes(of.instance), self.access_rights()

    def access_rights(self) -> tuple[list[Any], list[Any]]:
        """The rights of attributes and methods as both association classes list them."""
        of = self.interface
        attributes = [
            (Integer(index), Enum(self.rights.access(index)), list(map(Integer, attribute.selectors)) or None)
            for index, attribute in sorted(of.attributes.items())
        ]
        methods = [(Integer(index), Enum(index in self.rights.methods)) for index in sorted(of.methods)]
        return attributes, methods
