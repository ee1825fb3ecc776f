"""What an association may do with an object.  Blue Book, Association LN."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dlms.interface import Interface
from dlms.security.policy import Access
from dlms.values import Enum, Integer, LongUnsigned, Unsigned


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """Access by attribute index, and the methods that may be called.  What is not named is not allowed.

    `method_access` says how a call of a method in it must be protected.
    """

    attributes: Mapping[int, Access]
    methods: frozenset[int] = frozenset()
    method_access: Mapping[int, Access] = dataclasses.field(default_factory=dict)

    def access(self, index: int) -> Access:
        """The access mode of attribute `index`."""
        return self.attributes.get(index, Access.NONE)

    def calling(self, index: int) -> Access:
        """The access mode of method `index`."""
        return Access.READ | self.method_access.get(index, Access.NONE) if index in self.methods else Access.NONE


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """One object as one association sees it.  `base_name` is its short name where the meter's maker has set it."""

    interface: Interface
    rights: Rights
    base_name: int | None = None

    def list_element(self, *, bits: bool = False, booleans: bool = False) -> tuple[Any, ...]:
        """The object_list_element of Association LN: class, version, name, rights of attributes and methods."""
        of = self.interface
        rights = self.access_rights(bits=bits, booleans=booleans)
        return LongUnsigned(of.class_id), Unsigned(of.version), bytes(of.instance), rights

    def access_rights(self, *, bits: bool = False, booleans: bool = False) -> tuple[list[Any], list[Any]]:
        """The rights of attributes and methods as both association classes list them.

        `bits` in the newest versions; `booleans` for methods in version 0 of Association LN, which knows no authenticated ones.
        """
        of = self.interface
        attributes = [
            (
                Integer(index),
                Enum(self.rights.access(index) if bits else self.rights.access(index).level),
                list(map(Integer, attribute.selectors)) or None,
            )
            for index, attribute in sorted(of.attributes.items())
        ]
        kind: type[Any] = bool if booleans else Enum
        calling = ((index, self.rights.calling(index)) for index in sorted(of.methods))
        methods = [(Integer(index), kind(int(mode) if bits else mode.method_level)) for index, mode in calling]
        return attributes, methods


__all__ = ["Access", "Rights", "Served"]
