"""The association's object list: what a meter offers, with names, classes and rights.  Blue Book, class 15."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dlms.errors import RemoteProtocolError
from dlms.ic import AssociationLn
from dlms.interface import INTERFACES, AttributeRef, Interface, attribute_ref, latest
from dlms.operations import Operation
from dlms.operations.read import get
from obis import Obis

CURRENT_ASSOCIATION = AssociationLn("0.0.40.0.0.255")
READABLE_MODES = frozenset((1, 3, 4, 6))
"""Access modes of Association LN versions 0 to 2 under which an attribute is read: read, read-write, and authenticated."""


@dataclasses.dataclass(frozen=True, slots=True)
class MeterObject:
    """One element of the object list.  Access modes are those of the wire, by index; None for one that is left out."""

    class_id: int
    version: int
    instance: Obis
    attribute_access: Mapping[int, int]
    method_access: Mapping[int, int]

    @property
    def interface(self) -> type[Interface] | None:
        """The declaration of its class: of its version, else the newest, else None."""
        return INTERFACES.get((self.class_id, self.version)) or latest(self.class_id)

    @property
    def class_name(self) -> str:
        """The declared class's name, or its number."""
        return self.interface.__name__ if self.interface else f"class {self.class_id}"

    def attribute(self, index: int) -> AttributeRef[Any]:
        """The reference of one attribute."""
        return attribute_ref(self.class_id, self.instance, index, self.version if self.interface else None)

    def readable(self) -> list[AttributeRef[Any]]:
        """The attributes that this association may read."""
        allowed = (index for index, mode in sorted(self.attribute_access.items()) if mode in READABLE_MODES)
        return [self.attribute(index) for index in allowed if index > 0]


def object_list(association: AssociationLn = CURRENT_ASSOCIATION) -> Operation[list[MeterObject]]:
    """Read and take apart the object list of the current association."""
    listed = yield from get(association.object_list)
    try:
        return [_element(*one) for one in listed]
    except (TypeError, ValueError) as fault:
        raise RemoteProtocolError(f"{association.object_list}: not an object list: {fault}") from fault


def _element(class_id: int, version: int, instance: bytes, rights: tuple[Any, Any]) -> MeterObject:
    attributes, methods = rights
    return MeterObject(
        int(class_id),
        int(version),
        Obis(instance),
        {int(one[0]): int(one[1]) for one in attributes},
        {int(one[0]): int(one[1]) for one in methods},
    )
