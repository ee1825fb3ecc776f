"""The association's object list: what a meter offers, with names, classes and rights.  Blue Book, classes 12 and 15."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlms.errors import RemoteProtocolError
from dlms.ic import AssociationLn, AssociationLnV3, AssociationSn, SecuritySetupV1
from dlms.interface import INTERFACES, AttributeRef, Interface, attribute_ref, latest
from dlms.operations import Operation
from dlms.operations.read import get
from dlms.security.policy import Access
from obis import Obis

CURRENT_ASSOCIATION = AssociationLn("0.0.40.0.0.255")
DEFAULT_SETUP = SecuritySetupV1("0.0.43.0.0.255")
"""The Security setup of a meter that has one."""
FIRST_WITH_MASKS = AssociationLnV3.version
"""The version of Association LN from which on access modes are bit masks; of Association SN that is version 4."""


class Modes(enum.Enum):
    """How the access modes of an object list are to be read."""

    UNTOLD = enum.auto()
    """The meter tells no rights."""
    LEVELS = enum.auto()
    """Numbers: none, read, write, both, and the same authenticated; of methods none, allowed, authenticated."""
    MASKS = enum.auto()
    """The bits of `Access`."""


@dataclasses.dataclass(frozen=True, slots=True)
class MeterObject:
    """One element of the object list.  Access modes are those of the wire, by index; one that is left out is not there.

    `modes` says what they are; `access` and `calling` are the rights that they give, in whichever version they were told.
    `base_name` is there with short names only.
    """

    class_id: int
    version: int
    instance: Obis
    attribute_access: Mapping[int, int]
    method_access: Mapping[int, int]
    base_name: int | None = None
    modes: Modes = Modes.LEVELS

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

    def access(self, index: int) -> Access:
        """What may be done with an attribute: nothing where the meter does not say so."""
        mode = self.attribute_access.get(index, 0)
        return Access.of_mask(mode) if self.modes is Modes.MASKS else Access.of_level(mode)

    def calling(self, index: int) -> Access:
        """Whether a method may be called, and how a call must be protected: `Access.READ` is the right to call it."""
        mode = self.method_access.get(index, 0)
        return Access.of_mask(mode) if self.modes is Modes.MASKS else Access.of_method_level(mode)

    def readable(self) -> list[AttributeRef[Any]]:
        """The attributes that this association may read; all that are declared where the meter tells no rights."""
        if self.modes is Modes.UNTOLD:
            return [self.attribute(index) for index in sorted(self.interface.attributes if self.interface else (1,))]
        allowed = (index for index in sorted(self.attribute_access) if self.access(index).readable)
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
        found = [_element(*one) for one in listed]
    except (TypeError, ValueError, IndexError, OverflowError) as fault:
        raise RemoteProtocolError(f"{association.object_list}: not an object list: {fault}") from fault
    own = (AssociationLn.class_id, association.instance)
    version = next((one.version for one in found if (one.class_id, one.instance) == own), association.version)
    modes = Modes.MASKS if version >= FIRST_WITH_MASKS else Modes.LEVELS
    return [dataclasses.replace(one, modes=modes) for one in found]


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
            MeterObject(int(class_id), int(version), Obis(instance), {}, {}, int(base) & 0xFFFF, Modes.UNTOLD)
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
    modes = Modes.MASKS if masks else Modes.LEVELS
    return [
        dataclasses.replace(one, attribute_access=attributes, method_access=methods, modes=modes)
        for one in objects
        for attributes, methods in (rights.get(one.base_name or 0, ({}, {})),)
    ]
