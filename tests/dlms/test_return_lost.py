"""A method that was carried out and whose answer cannot be told: the caller learns both."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.apdu.access import AccessActionResult, AccessResponse
from dlms.apdu.short_name import ReadResponseRaw
from dlms.association import Negotiated
from dlms.codec import Record, decode
from dlms.enums import AccessResult, ApplicationContext, Conformance, Mechanism
from dlms.errors import AccessError, LinkError, OutcomeUnknown, ReturnLost
from dlms.ic import AssociationLn, AssociationSnV1
from dlms.operations.access import Call, access
from dlms.operations.associate import SN_CONFORMANCE, AssociationRequest
from dlms.operations.short_name import ShortNames
from tests.dlms.server.devices import ENERGY, EVERYTHING, PASSWORDS, WRITER, device, store
from tests.dlms.short_name_meter import client
from tests.dlms.test_operations_short_name import LISTED

SINGLY = EVERYTHING & ~Conformance.BLOCK_TRANSFER_WITH_ACTION
REPLY_TO_HLS = AssociationLn("0.0.40.0.0.255").reply_to_hls_authentication


def returning(size: int) -> tuple[Any, list[Any]]:
    """A client of a device whose reset returns so many octets, in answers of at most 40; and what it was called with."""
    held, calls = store(), list[Any]()

    def reset(parameter: Any) -> bytes:
        calls.append(parameter)
        return bytes(size)

    held.methods[ENERGY.reset] = reset
    request = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], conformance=SINGLY, max_receive=40)
    return client(device(held, conformance=SINGLY), request, sap=WRITER)[0], calls


def test_a_call_whose_answer_has_no_room_was_carried_out() -> None:
    caller, calls = returning(100)
    with pytest.raises(
        ReturnLost, match=r"carried out, .*1\.0\.1\.8\.0\.255.* not told: data-block-unavailable"
    ) as untold:
        caller.call(ENERGY.reset, 1)
    assert (untold.value.of, untold.value.result) == (ENERGY.reset, AccessResult.DATA_BLOCK_UNAVAILABLE)
    assert not isinstance(untold.value, AccessError | LinkError), "neither refused nor a matter of the line"
    assert calls == [1]
    assert returning(5)[0].call(ENERGY.reset, 1) == bytes(5)


def test_in_a_list_each_call_tells_it() -> None:
    caller, calls = returning(20)
    outcomes = caller.call_many([(ENERGY.reset, 1), (ENERGY.reset, 2)])
    assert calls == [1, 2]
    assert outcomes[0] == bytes(20)
    assert isinstance(outcomes[1], ReturnLost)


def ended(operation: Any, *answers: Record) -> Any:
    """What an operation gives where it is answered so."""
    next(operation)
    try:
        for answer in answers:
            operation.send(answer)
    except StopIteration as end:
        return end.value
    raise AssertionError("it asks for more")


def test_an_access_without_what_a_method_is_declared_to_return() -> None:
    """Its results cannot say that: null-data stands in the place of what was returned."""
    asked = [Call(REPLY_TO_HLS, b"x"), Call(ENERGY.reset), Call(REPLY_TO_HLS, b"x")]
    results: list[Record] = [AccessActionResult(0), AccessActionResult(0), AccessActionResult(3)]
    lost, nothing, refused = ended(access(asked), AccessResponse(0, b"", None, [None, None, None], results))
    assert isinstance(lost, ReturnLost)
    assert lost.of == REPLY_TO_HLS
    assert nothing is None
    assert isinstance(refused, AccessError)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (("0101 03",), AccessError),
        (("0101 0e",), OutcomeUnknown),
        (("0102 00 0001 01 00", "0101 0f"), ReturnLost),
        (("0102 00 0002 01 00",), ReturnLost),
        (("0100 07",), ReturnLost),
    ],
    ids=["refused", "may be too long", "refused in the middle", "wrong block", "no data"],
)
def test_a_call_with_short_names(answers: tuple[str, ...], error: type[Exception]) -> None:
    names = ShortNames(Negotiated(SN_CONFORMANCE, context=ApplicationContext.SN))
    ended(names.object_list(), decode(ReadResponseRaw, LISTED), decode(ReadResponseRaw, bytes.fromhex("0c010103")))
    operation = names.call(AssociationSnV1("0.0.40.0.0.255").reply_to_hls_authentication, b"x")
    with pytest.raises(error):
        ended(operation, *(ReadResponseRaw(bytes.fromhex(answer)) for answer in answers))
