"""The association's object list: what a meter offers, with names, classes and rights.  Blue Book, classes 12 and 15."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlms.errors import RemoteProtocolError
from dlms.ic import AssociationLn, AssociationSn
from dlms.interface import INTERFACES, AttributeRef, Interface, attribute_ref, latest
from dlms.operations import Operation
from dlms.operations.read import get
from obis import Obis

CURRENT_ASSOCIATION = AssociationLn("0.0.40.0.0.255")
READABLE_MODES = frozenset((1, 3, 4, 6))
"""Access modes of Association LN versions 0 to 2 under which an attribute is read: read, read-write, and authenticated."""


READABLE_MASKS = frozenset(range(1, 256, 2))
"""Access modes that are bit masks (Association SN version 4): bit 0 says that the attribute is read."""


@dataclasses.dataclass(frozen=True, slots=True)
class MeterObject:
    """One element of the object list.  Access modes are those of the wire, by index; one that is left out is not there.

    `readable_modes` are those under which an attribute is read, None where the meter tells no rights at all.
    `base_name` is there with short names only.
    """

    class_id: int
    version: int
    instance: Obis
    attribute_access: Mapping[int, int]
    method_access: Mapping[int, int]
    base_name: int | None = None
    readable_modes: frozenset[int] | None = READABLE_MODES

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
        """The attributes that this association may read; all that are declared where the meter tells no rights."""
        if self.readable_modes is None:
            return [self.attribute(index) for index in sorted(self.interface.attributes if self.interface else (1,))]
        modes = self.readable_modes
        allowed = (index for index, mode in sorted(self.attribute_access.items()) if mode in modes)
        return [self.attribute(index) for index in allowed if index > 0]


def object_list(
    association: AssociationLn | AssociationSn = CURRENT_ASSOCIATION,
    get: Callable[[AttributeRef[Any]], Operation[Any]] = get,
) -> Operation[list[MeterObject]]:
    """Read and take apart the object list of an association; `get` reads one attribute of the meter."""
    listed = yield from get(association.object_list)
    if isinstance(association, AssociationSn):
        return short_name_objects(listed)
    try:
        return [_element(*one) for one in listed]
    except (TypeError, ValueError, IndexError, OverflowError) as fault:
        raise RemoteProtocolError(f"{association.object_list}: not an object list: {fault}") from fault


def _element(class_id: int, version: int, instance: bytes, rights: tuple[Any, Any]) -> MeterObject:
    attributes, methods = rights
    return MeterObject(
        int(class_id),
        int(version),
        Obis(instance),
        _modes(attributes),
        _modes(methods),
    )


def _modes(access: Sequence[Any]) -> dict[int, int]:
    return {int(one[0]): int(one[1]) for one in access}


def short_name_objects(listed: Any) -> list[MeterObject]:
    """Take apart an object list with short names, which tells no rights.  Raises RemoteProtocolError when it is none."""
    try:
        return [
            MeterObject(int(class_id), int(version), Obis(instance), {}, {}, int(base) & 0xFFFF, None)
            for base, class_id, version, instance in listed
        ]
    except (TypeError, ValueError, IndexError, OverflowError) as fault:
        raise RemoteProtocolError(f"not an object list with short names: {fault}") from fault


def with_rights(objects: Sequence[MeterObject], listed: Any, *, masks: bool = False) -> list[MeterObject]:
    """The objects with what an access rights list says of them; `masks` tells that its modes are bit masks.

    One that is not in the list keeps its place without any right.  Raises RemoteProtocolError when it is no such list.
    """
    try:
        rights = {int(base) & 0xFFFF: (_modes(attributes), _modes(methods)) for base, attributes, methods in listed}
    except (TypeError, ValueError, IndexError, OverflowError) as fault:
        raise RemoteProtocolError(f"not an access rights list: {fault}") from fault
    modes = READABLE_MASKS if masks else READABLE_MODES
    return [
        dataclasses.replace(one, attribute_access=attributes, method_access=methods, readable_modes=modes)
        for one in objects
        for attributes, methods in (rights.get(one.base_name or 0, ({}, {})),)
    ]
