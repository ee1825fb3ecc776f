"""SET and ACTION: writing attributes, calling methods, in blocks where they are long.  Green Book, SET and ACTION services."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from dlms import data as cosem_data
from dlms.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
    ActionResult,
)
from dlms.apdu.attribute import CosemAttributeDescriptorWithSelection, CosemMethodDescriptor, SelectiveAccess
from dlms.apdu.set import (
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from dlms.association import Negotiated
from dlms.axdr import encode_length
from dlms.codec import ABSENT, Nested, Record, Refusal, SequenceOf, decode_value
from dlms.enums import AccessResult, ActionCode, Conformance, label
from dlms.errors import AccessError, OutcomeUnknown, RemoteProtocolError, ReturnLost
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.limits import MAX_APDU, MAX_TRANSFER
from dlms.operations import Operation, Request
from dlms.operations.outgoing import fits, send_blocks
from dlms.operations.read import descriptor

UNLIMITED = Negotiated()
"""Nothing is known of the peer: no limit of size, and no blocks."""

_MOST = 32
"""Attributes or methods in one list: what every server takes."""
_REFERENCE = 10
"""Octets of one reference in a list, at most."""
_AROUND = 16
"""Octets of the first block of a list besides the references, with one octet of data at least."""
T = TypeVar("T")

Assignment = tuple[AttributeRef[Any], Any]
"""What to write where."""

Call = tuple[MethodRef[Any], Any]
"""What to call with which parameter; ABSENT for none."""

_ACTION_RESULTS = SequenceOf(Nested(ActionResult))


def set_value(
    ref: AttributeRef[Any],
    value: Any,
    access: SelectiveAccess | None = None,
    negotiated: Negotiated = UNLIMITED,
    *,
    confirmed: bool = True,
) -> Operation[None]:
    """Write one attribute.  Raises LocalProtocolError for a wrong type, AccessError when the meter refuses.

    Without confirmation nobody tells whether it was written, and it must fit in one APDU.
    """
    held = typed(ref, value)
    request = SetRequestNormal(0, descriptor(ref), access, held)
    if not confirmed:
        yield Request(request, (), read_only=False)
        return
    if fits(request, negotiated) or Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE not in negotiated.conformance:
        reply = yield Request(request, (SetResponseNormal,), read_only=False)
    else:
        reply = yield from send_blocks(
            cosem_data.encode(held),
            lambda block: SetRequestWithFirstDatablock(0, descriptor(ref), access, block),
            lambda block: SetRequestWithDatablock(0, block),
            SetResponseDatablock,
            (SetResponseLastDatablock, SetResponseNormal),
            negotiated,
        )
    result = reply.result if isinstance(reply, SetResponseNormal | SetResponseLastDatablock) else None
    if result != AccessResult.SUCCESS:
        raise AccessError(AccessResult.OTHER_REASON if result is None else result, ref)


def set_many(assignments: Sequence[Assignment], negotiated: Negotiated) -> Operation[list[AccessError | None]]:
    """Write several attributes, with-list where that was negotiated: None for each that was written, else the refusal."""
    held = [(ref, typed(ref, value)) for ref, value in assignments]
    outcomes: list[AccessError | None] = []
    for part in _parts(held, negotiated):
        if len(part) > 1 and _in_one(_list_request(part), negotiated, Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE):
            outcomes += yield from _set_list(part, negotiated)
            continue
        for ref, value in part:
            try:
                yield from set_value(ref, value, None, negotiated)
                outcomes.append(None)
            except AccessError as refusal:
                outcomes.append(refusal)
    return outcomes


def _parts(held: Sequence[T], negotiated: Negotiated) -> list[Sequence[T]]:
    """Lists whose references leave room for data in the first block."""
    room = (negotiated.plain_send or MAX_APDU) - _AROUND
    size = max(1, min(_MOST, room // _REFERENCE))
    return [held[start : start + size] for start in range(0, len(held), size)]


def _in_one(request: Record, negotiated: Negotiated, blocks: Conformance) -> bool:
    """Whether a list can be asked for: in one APDU, or in blocks where `blocks` was negotiated."""
    if Conformance.MULTIPLE_REFERENCES not in negotiated.conformance:
        return False
    return blocks in negotiated.conformance or fits(request, negotiated)


def _list_payload(values: Sequence[Any]) -> bytes:
    """What the blocks of a list carry: the encoded SEQUENCE OF Data."""
    return encode_length(len(values)) + b"".join(map(cosem_data.encode, values))


def _list_request(held: Sequence[Assignment]) -> SetRequestWithList:
    descriptors = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref, _ in held]
    return SetRequestWithList(0, descriptors, [value for _, value in held])


def _set_list(held: Sequence[Assignment], negotiated: Negotiated) -> Operation[list[AccessError | None]]:
    request = _list_request(held)
    descriptors, values = request.descriptors, request.values
    if fits(request, negotiated):
        reply = yield Request(request, (SetResponseWithList, SetResponseNormal), read_only=False)
    else:
        reply = yield from send_blocks(
            _list_payload(values),
            lambda block: SetRequestWithListAndFirstDatablock(0, descriptors, block),
            lambda block: SetRequestWithDatablock(0, block),
            SetResponseDatablock,
            (SetResponseLastDatablockWithList, SetResponseLastDatablock),
            negotiated,
        )
    results = _results(reply, len(held))
    return [
        None if r == AccessResult.SUCCESS else AccessError(r, ref) for r, (ref, _) in zip(results, held, strict=True)
    ]


def _results(reply: Record, count: int) -> Sequence[int]:
    """The results of a list; a single refusal stands for all."""
    if isinstance(reply, SetResponseWithList | SetResponseLastDatablockWithList):
        if len(reply.results) != count:
            raise RemoteProtocolError(f"{len(reply.results)} results for {count} attributes")
        return reply.results
    assert isinstance(reply, SetResponseNormal | SetResponseLastDatablock)
    if reply.result == AccessResult.SUCCESS:
        raise RemoteProtocolError(f"{reply.wire_name()} in answer to a list")
    return [reply.result] * count


def _parameter(ref: MethodRef[Any], parameter: Any) -> Any:
    """ABSENT is integer 0 where the class is declared, and no parameter where it is not."""
    if parameter is ABSENT:
        return ABSENT if ref.method is None else typed(ref, 0)
    return typed(ref, parameter)


def _method(ref: MethodRef[Any]) -> CosemMethodDescriptor:
    return CosemMethodDescriptor(ref.class_id, bytes(ref.instance), ref.index)


def call(
    ref: MethodRef[Any], parameter: Any = ABSENT, negotiated: Negotiated = UNLIMITED, *, confirmed: bool = True
) -> Operation[Any]:
    """Call one method; ABSENT sends integer 0 where its class is declared, and no parameter where it is not.

    Returns what the method returned, None for nothing.  Raises AccessError when the meter refuses, ReturnLost when it was
    carried out but not told what it returned.  Without confirmation nobody tells whether it was carried out, and the
    parameter must fit in one APDU.
    """
    method, given = _method(ref), _parameter(ref, parameter)
    request = ActionRequestNormal(0, method, given)
    if not confirmed:
        yield Request(request, (), read_only=False)
        return None
    replies = (ActionResponseNormal, ActionResponseWithPblock)
    if fits(request, negotiated) or Conformance.BLOCK_TRANSFER_WITH_ACTION not in negotiated.conformance:
        reply = yield Request(request, replies, read_only=False)
    else:
        reply = yield from send_blocks(
            cosem_data.encode(given),
            lambda block: ActionRequestWithFirstPblock(0, method, block),
            lambda block: ActionRequestWithPblock(0, block),
            ActionResponseNextPblock,
            replies,
            negotiated,
        )
    if isinstance(reply, ActionResponseWithPblock):
        with carried_out(ref):
            return cosem_data.decode((yield from _returned(reply, ref)))
    assert isinstance(reply, ActionResponseNormal)
    return _outcome(reply.response, ref)


@contextlib.contextmanager
def carried_out(ref: object) -> Iterator[None]:
    """The answer to a call has begun: what is refused or wrong from now on concerns what the method returned."""
    try:
        yield
    except AccessError as refusal:
        raise ReturnLost(ref, refusal, refusal.result) from refusal
    except RemoteProtocolError as fault:
        raise ReturnLost(ref, fault) from fault


def _outcome(response: ActionResult, ref: object) -> Any:
    """What one method returned.  Raises AccessError when it was refused, ReturnLost where that is not told."""
    if response.result != ActionCode.SUCCESS:
        raise AccessError(response.result, ref, ActionCode)
    returned = response.return_parameters
    if isinstance(returned, Refusal):
        raise ReturnLost(ref, label(AccessResult, returned.result), returned.result)
    return None if returned is ABSENT else returned


def call_many(calls: Sequence[Call], negotiated: Negotiated) -> Operation[list[Any]]:
    """Call several methods, with-list where that was negotiated: what each returned.

    An AccessError stands in the place of each that was refused, ReturnLost where it was carried out and not told what it
    returned.
    """
    held = [(ref, _parameter(ref, parameter)) for ref, parameter in calls]
    outcomes: list[Any] = []
    for part in _parts(held, negotiated):
        if len(part) > 1 and _in_one(_action_list(part), negotiated, Conformance.BLOCK_TRANSFER_WITH_ACTION):
            outcomes += yield from _call_list(part, negotiated)
            continue
        for ref, parameter in part:
            try:
                outcomes.append((yield from call(ref, parameter, negotiated)))
            except (AccessError, ReturnLost) as error:
                outcomes.append(error)
    return outcomes


def _action_list(held: Sequence[Call]) -> ActionRequestWithList:
    """A list has a parameter for every method: null-data where there is none."""
    given = [None if parameter is ABSENT else parameter for _, parameter in held]
    return ActionRequestWithList(0, [_method(ref) for ref, _ in held], given)


def _call_list(held: Sequence[Call], negotiated: Negotiated) -> Operation[list[Any]]:
    request = _action_list(held)
    replies = (ActionResponseWithList, ActionResponseWithPblock, ActionResponseNormal)
    if fits(request, negotiated):
        reply = yield Request(request, replies, read_only=False)
    else:
        reply = yield from send_blocks(
            _list_payload(request.parameters),
            lambda block: ActionRequestWithListAndFirstPblock(0, request.descriptors, block),
            lambda block: ActionRequestWithPblock(0, block),
            ActionResponseNextPblock,
            replies,
            negotiated,
        )
    results = yield from _call_results(reply, len(held))
    outcomes: list[Any] = []
    for result, (ref, _) in zip(results, held, strict=True):
        try:
            outcomes.append(_outcome(result, ref))
        except (AccessError, ReturnLost) as error:
            outcomes.append(error)
    return outcomes


def _call_results(reply: Record, count: int) -> Operation[Sequence[ActionResult]]:
    """The results of a list; a single refusal stands for all."""
    if isinstance(reply, ActionResponseNormal):
        if reply.response.result == ActionCode.SUCCESS:
            raise RemoteProtocolError(f"{reply.wire_name()} in answer to a list")
        return [reply.response] * count
    if isinstance(reply, ActionResponseWithPblock):
        try:
            collected = yield from _returned(reply, f"a list of {count} methods")
        except AccessError as refusal:
            raise OutcomeUnknown(
                f"carried out, but the outcomes of {count} methods were refused: {refusal}"
            ) from refusal
        results: Sequence[ActionResult] = decode_value(_ACTION_RESULTS, collected)
    else:
        assert isinstance(reply, ActionResponseWithList)
        results = reply.responses
    if len(results) != count:
        raise RemoteProtocolError(f"{len(results)} results for {count} methods")
    return results


def _returned(reply: Record, ref: object) -> Operation[bytes]:
    """Collect long return parameters from their first block on.

    The method has been carried out by then: AccessError and RemoteProtocolError are about what it returned.
    """
    value, number = bytearray(), 0
    while True:
        number += 1
        if isinstance(reply, ActionResponseNormal):
            raise AccessError(reply.response.result, codes=ActionCode)
        assert isinstance(reply, ActionResponseWithPblock)
        block = reply.block
        if block.block_number != number or (not block.raw_data and not block.last_block):
            raise RemoteProtocolError(f"block {block.block_number} of {ref}, {number} was due")
        value += block.raw_data
        if len(value) > MAX_TRANSFER:
            raise RemoteProtocolError(f"{ref} returned more than {MAX_TRANSFER} octets")
        if block.last_block:
            return bytes(value)
        answers = (ActionResponseWithPblock, ActionResponseNormal)
        reply = yield Request(ActionRequestNextPblock(0, number), answers, read_only=False)
