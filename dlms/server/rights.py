"""What an association may do with an object.  Blue Book, Association LN."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from dlms.interface import Interface
from dlms.security.policy import Policy
from dlms.values import Enum, Integer, LongUnsigned, Unsigned


class Access(enum.IntFlag):
    """Access mode of an attribute or method: READ is also the right to call a method.

    The numbers are those of Association LN version 3: beside reading and writing, the protection that the request must have
    and the response will have.
    """

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3
    AUTHENTICATED_REQUEST = int(Policy.AUTHENTICATED_REQUEST)
    ENCRYPTED_REQUEST = int(Policy.ENCRYPTED_REQUEST)
    SIGNED_REQUEST = int(Policy.SIGNED_REQUEST)
    AUTHENTICATED_RESPONSE = int(Policy.AUTHENTICATED_RESPONSE)
    ENCRYPTED_RESPONSE = int(Policy.ENCRYPTED_RESPONSE)
    SIGNED_RESPONSE = int(Policy.SIGNED_RESPONSE)

    @property
    def readable(self) -> bool:
        """Whether a GET is served."""
        return bool(self & 1)

    @property
    def writable(self) -> bool:
        """Whether a SET is served."""
        return bool(self & 2)

    @property
    def policy(self) -> Policy:
        """The protection that this access wants."""
        return Policy(self & ~3)

    @property
    def level(self) -> int:
        """The access mode as the versions before 3 write it: 0 to 3, or 4 to 6 where a request must be authenticated."""
        return (self & 3) + (3 if self & Access.AUTHENTICATED_REQUEST and self & 3 else 0)


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
        methods = [
            (Integer(index), kind(_method_mode(self.rights.calling(index), bits))) for index in sorted(of.methods)
        ]
        return attributes, methods


def _method_mode(access: Access, bits: bool) -> int:
    """Before version 3: 0 no access, 1 access, 2 access when the request is authenticated."""
    return int(access) if bits else bool(access) + bool(access & Access.AUTHENTICATED_REQUEST)
