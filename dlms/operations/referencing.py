"""How the objects of an association are named: the one place where logical and short names part.

A client asks `referencing` once, when its association is open, and takes every operation from what it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dlms.apdu.attribute import SelectiveAccess
from dlms.association import Negotiated
from dlms.codec import ABSENT
from dlms.errors import AccessError
from dlms.ic import AssociationLn, AssociationSn
from dlms.interface import AttributeRef, MethodRef
from dlms.operations import Operation, lists, read, write
from dlms.operations.objects import CURRENT_ASSOCIATION, MeterObject, object_list
from dlms.operations.short_name import ShortNames


class Referencing(Protocol):
    """The operations of one association.  Each raises AccessError when the meter refuses."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[Any]:
        """Read one attribute."""

    def get_encoded(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[bytes]:
        """Read one attribute and leave its Data encoded."""

    def get_many(self, refs: Sequence[AttributeRef[Any]]) -> Operation[list[Any]]:
        """Read several; an AccessError stands in the place of each that was refused."""

    def parts(self, refs: Sequence[AttributeRef[Any]]) -> list[Sequence[AttributeRef[Any]]]:
        """What of `refs` goes in one request each."""

    def set_value(
        self, ref: AttributeRef[Any], value: Any, access: SelectiveAccess | None = None, *, confirmed: bool = True
    ) -> Operation[None]:
        """Write one attribute."""

    def set_many(self, assignments: Sequence[write.Assignment]) -> Operation[list[AccessError | None]]:
        """Write several: None for each that was written, else its AccessError."""

    def call(self, ref: MethodRef[Any], parameter: Any = ABSENT, *, confirmed: bool = True) -> Operation[Any]:
        """Call one method."""

    def call_many(self, calls: Sequence[write.Call]) -> Operation[list[Any]]:
        """Call several: what each returned; an AccessError stands in the place of each that was refused."""

    def object_list(self, association: AssociationLn | AssociationSn | None = None) -> Operation[list[MeterObject]]:
        """The objects of an association, of the current one when None."""


class LogicalNames:
    """The operations of one association with logical names."""

    def __init__(self, negotiated: Negotiated) -> None:
        self._negotiated = negotiated

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[Any]:
        """See `read.get`."""
        return read.get(ref, access)

    def get_encoded(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[bytes]:
        """See `read.get_encoded`."""
        return read.get_encoded(ref, access)

    def get_many(self, refs: Sequence[AttributeRef[Any]]) -> Operation[list[Any]]:
        """See `lists.get_many`."""
        return lists.get_many(refs, self._negotiated)

    def parts(self, refs: Sequence[AttributeRef[Any]]) -> list[Sequence[AttributeRef[Any]]]:
        """See `lists.parts`."""
        return lists.parts(refs, self._negotiated)

    def set_value(
        self, ref: AttributeRef[Any], value: Any, access: SelectiveAccess | None = None, *, confirmed: bool = True
    ) -> Operation[None]:
        """See `write.set_value`."""
        return write.set_value(ref, value, access, self._negotiated, confirmed=confirmed)

    def set_many(self, assignments: Sequence[write.Assignment]) -> Operation[list[AccessError | None]]:
        """See `write.set_many`."""
        return write.set_many(assignments, self._negotiated)

    def call(self, ref: MethodRef[Any], parameter: Any = ABSENT, *, confirmed: bool = True) -> Operation[Any]:
        """See `write.call`."""
        return write.call(ref, parameter, self._negotiated, confirmed=confirmed)

    def call_many(self, calls: Sequence[write.Call]) -> Operation[list[Any]]:
        """See `write.call_many`."""
        return write.call_many(calls, self._negotiated)

    def object_list(self, association: AssociationLn | AssociationSn | None = None) -> Operation[list[MeterObject]]:
        """See `objects.object_list`."""
        return object_list(association or CURRENT_ASSOCIATION)


def referencing(negotiated: Negotiated, *, datagrams: bool = False) -> Referencing:
    """The operations of an association that is open, by its context; `datagrams` where the layer below may double them."""
    return ShortNames(negotiated, datagrams=datagrams) if negotiated.context.short_names else LogicalNames(negotiated)
