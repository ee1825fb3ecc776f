"""ACCESS: reads, writes and calls in one exchange.  Green Book, ACCESS service."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any, ClassVar

from dlms.apdu.access import (
    AccessAction,
    AccessGet,
    AccessGetWithSelection,
    AccessRequest,
    AccessResponse,
    AccessSet,
    AccessSetWithSelection,
)
from dlms.apdu.attribute import CosemMethodDescriptor, SelectiveAccess
from dlms.codec import Record
from dlms.enums import AccessResult, ActionCode
from dlms.errors import AccessError, RemoteProtocolError, ReturnLost
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.operations import Operation, Request
from dlms.operations.read import descriptor

BREAK_ON_ERROR = 1 << 29


@dataclasses.dataclass(frozen=True, slots=True)
class Get:
    """Read one attribute, or a part of it."""

    codes: ClassVar[type[enum.IntEnum]] = AccessResult
    ref: AttributeRef[Any]
    access: SelectiveAccess | None = None

    def specification(self) -> Record:
        """The wire form."""
        if self.access is None:
            return AccessGet(descriptor(self.ref))
        return AccessGetWithSelection(descriptor(self.ref), self.access)

    def data(self) -> Any:
        """A read carries no data."""
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Set:
    """Write one attribute, or a part of it."""

    codes: ClassVar[type[enum.IntEnum]] = AccessResult
    ref: AttributeRef[Any]
    value: Any
    access: SelectiveAccess | None = None

    def specification(self) -> Record:
        """The wire form."""
        if self.access is None:
            return AccessSet(descriptor(self.ref))
        return AccessSetWithSelection(descriptor(self.ref), self.access)

    def data(self) -> Any:
        """The value in its declared type.  Raises LocalProtocolError."""
        return typed(self.ref, self.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """Call one method."""

    codes: ClassVar[type[enum.IntEnum]] = ActionCode
    ref: MethodRef[Any]
    parameter: Any = 0

    def specification(self) -> Record:
        """The wire form."""
        return AccessAction(CosemMethodDescriptor(self.ref.class_id, bytes(self.ref.instance), self.ref.index))

    def data(self) -> Any:
        """The parameter in its declared type.  Raises LocalProtocolError."""
        return typed(self.ref, self.parameter)


Element = Get | Set | Call


def access(elements: Sequence[Element], *, break_on_error: bool = False) -> Operation[list[Any]]:
    """What each element gave: a read's value, a call's result, None for a write; an AccessError where it was refused.

    ReturnLost stands for a method that was carried out, is declared to return something, and came without it.
    With `break_on_error` the meter stops at the first refusal and refuses what follows.
    """
    request = AccessRequest(
        BREAK_ON_ERROR if break_on_error else 0,
        b"",
        [element.specification() for element in elements],
        [element.data() for element in elements],
    )
    read_only = all(isinstance(element, Get) for element in elements)
    reply = yield Request(request, (AccessResponse,), read_only=read_only)
    assert isinstance(reply, AccessResponse)
    if not len(reply.results) == len(reply.data) == len(elements):
        raise RemoteProtocolError(
            f"{len(reply.results)} results and {len(reply.data)} data for {len(elements)} elements"
        )
    return [
        _given(element, outcome.result, value)
        for element, outcome, value in zip(elements, reply.results, reply.data, strict=True)
    ]


def _given(element: Element, result: int, value: Any) -> Any:
    if result != AccessResult.SUCCESS:
        return AccessError(result, element.ref, element.codes)
    declared = element.ref.method if isinstance(element, Call) else None
    if value is None and declared is not None and declared.returns is not None:
        return ReturnLost(element.ref, "null-data in its place")
    return value
