"""The abstract test cases of the application layer, mirrored: what our client makes of a server that fails them, by their ids.

Each case is an association of its own.  A server that breaks the rules ends one exchange with one of our errors, in
bounded time; a write or a call is never taken for done, and the association can be used again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from dlms.acse import Aare, Diagnostic, Rlre, context_oid, mechanism_oid
from dlms.apdu import (
    ActionResponseNormal,
    ActionResponseWithPblock,
    ConfirmedServiceError,
    ExceptionResponse,
    GeneralBlockTransfer,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    InitiateResponse,
    ReadResponse,
    SetResponseDatablock,
    SetResponseNormal,
    WriteResponse,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import DataBlock, ResultBlock
from dlms.apdu.short_name import DataAccessError, DataBlockResult, ReadData, Success
from dlms.association import State
from dlms.codec import Record, encode
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import (
    AssociationRefused,
    DlmsError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    ReturnLost,
    SecurityError,
    ServiceRefused,
)
from dlms.ic import Data, Register
from dlms.operations import Operation
from dlms.operations.associate import LN_CONFORMANCE, SN_CONFORMANCE, AssociationRequest
from dlms.operations.lists import get_many
from dlms.operations.read import get
from dlms.operations.short_name import BASE_NAME, CURRENT_ASSOCIATION, ShortNames
from dlms.operations.write import call, set_value
from dlms.values import Long, LongUnsigned, Unsigned
from tests.dlms.bench import TIMEOUT_S, Bench, accepting

C = Conformance
ENERGY, TEXT = Register("1.0.1.8.0.255"), Data("0.0.96.1.0.255")
LLS = AssociationRequest(Mechanism.LLS, b"12345")
BLOCKS = C.BLOCK_TRANSFER_WITH_GET_OR_READ | C.BLOCK_TRANSFER_WITH_SET_OR_WRITE | C.BLOCK_TRANSFER_WITH_ACTION
NULL = Diagnostic(1, 0)


def accepted(**changed: Any) -> Aare:
    return dataclasses.replace(accepting(), **changed)


def initiated(**changed: Any) -> Aare:
    """An AARE whose initiate-response says something else than it should."""
    response = InitiateResponse(None, 6, LN_CONFORMANCE, 0xFFFF, 7)
    return accepted(user_information=encode(dataclasses.replace(response, **changed)))


def opened_with(answer: Record | bytes | None, request: AssociationRequest = LLS) -> DlmsError | None:
    """What comes of an AARQ that is answered so, None when the association opens.  Then another try succeeds."""
    bench = Bench(request)
    ticket = bench.connection.open(bench.now)
    if answer is not None:
        bench.receive(answer)
    bench.wait(TIMEOUT_S)
    try:
        ticket.result()
    except DlmsError as error:
        assert bench.connection.association.state is State.CLOSED
        bench.open()
        return error
    assert bench.connection.association.state is State.OPEN
    return None


# --- OPEN: the server's answer to an AARQ -----------------------------------------------------------------------------

ACCEPTABLE: dict[str, Aare] = {
    "OPEN_1": accepted(),
    "OPEN_1 without user of the association": accepted(responder_acse_requirements=b"\x07\x80"),
    "OPEN_1 with its mechanism": accepted(mechanism_name=mechanism_oid(1)),
    "OPEN_4 version 1": accepted(protocol_version=b"\x07\x80"),
    "OPEN_6 dummy fields": accepted(responding_ap_title=bytes(8), responding_ae_qualifier=b"x"),
    "OPEN_11 any quality of service": initiated(negotiated_quality_of_service=7),
    "OPEN_13 fewer services": initiated(conformance=C.GET),
    "OPEN_14 no limit": initiated(server_max_receive_pdu_size=0),
    "OPEN_14 the least": initiated(server_max_receive_pdu_size=12),
}


@pytest.mark.parametrize("case", ACCEPTABLE)
def test_answers_that_open_an_association(case: str) -> None:
    assert opened_with(ACCEPTABLE[case]) is None


REFUSED: dict[str, tuple[Record | bytes | None, type[DlmsError], str]] = {
    "OPEN_1 silence": (None, LinkError, "within 5 s"),
    "OPEN_1 not an APDU": (b"\xff\xff", RemoteProtocolError, "ff"),
    "OPEN_1 half an AARE": (encode(accepting())[:-3], RemoteProtocolError, ""),
    "OPEN_1 more than an AARE": (encode(accepting()) + b"\0", RemoteProtocolError, ""),
    "OPEN_1 without result": (accepted(result=None), RemoteProtocolError, "result"),
    "OPEN_1 without diagnostic": (accepted(diagnostic=None), RemoteProtocolError, "diagnostic"),
    "OPEN_1 another answer": (GetResponseNormal(0xC1, None), LinkError, "within 5 s"),
    "OPEN_1 released": (Rlre(0), LinkError, "within 5 s"),
    "OPEN_1 exception": (ExceptionResponse(1, 1), ServiceRefused, "service-not-allowed"),
    "OPEN_1 service error": (ConfirmedServiceError(1, 6, 1), ServiceRefused, "dlms-version-too-low"),
    "OPEN_2": (accepted(result=1, diagnostic=Diagnostic(1, 6)), AssociationRefused, "calling-ae-invocation"),
    "OPEN_4": (accepted(protocol_version=b"\x06\x40"), RemoteProtocolError, "protocol version"),
    "OPEN_4 refused": (accepted(result=1, diagnostic=Diagnostic(2, 2)), AssociationRefused, "no-common-acse"),
    "OPEN_5": (accepted(application_context_name=context_oid(2)), RemoteProtocolError, "context sn"),
    "OPEN_5 unknown": (accepted(application_context_name=b"\x2a\x03"), RemoteProtocolError, "context unknown"),
    "OPEN_5 refused": (accepted(result=1, diagnostic=Diagnostic(1, 2)), AssociationRefused, "context-name"),
    "OPEN_7 weaker": (accepted(mechanism_name=mechanism_oid(0)), SecurityError, "none, lls wanted"),
    "OPEN_7 other": (accepted(mechanism_name=mechanism_oid(5)), RemoteProtocolError, "hls-gmac, lls wanted"),
    "OPEN_7 contradiction": (accepted(diagnostic=Diagnostic(1, 13)), RemoteProtocolError, "authentication-failure"),
    "OPEN_7 transient": (accepted(result=2, diagnostic=Diagnostic(1, 13)), AssociationRefused, "transient"),
    "OPEN_7 unknown result": (accepted(result=9, diagnostic=NULL), AssociationRefused, r"other\(9\)"),
    "OPEN_12 version 5": (initiated(dlms_version=5), RemoteProtocolError, "version 5"),
    "OPEN_12 version 7": (initiated(dlms_version=7), RemoteProtocolError, "version 7"),
    "OPEN_13 more": (initiated(conformance=LN_CONFORMANCE | C.GENERAL_PROTECTION), RemoteProtocolError, "not proposed"),
    "OPEN_13 foreign": (initiated(conformance=LN_CONFORMANCE | C.READ), RemoteProtocolError, "read, which was not"),
    "OPEN_14": (initiated(server_max_receive_pdu_size=11), RemoteProtocolError, "PDU size of 11"),
    "OPEN_1 other vaa-name": (initiated(vaa_name=0xFA00), RemoteProtocolError, "VAA name"),
    "OPEN_1 no initiate": (accepted(user_information=None), RemoteProtocolError, "initiate-response"),
    "OPEN_1 an error inside": (
        accepted(user_information=encode(ConfirmedServiceError(1, 6, 3))),
        RemoteProtocolError,
        "initiate-response",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_answers_that_open_none(case: str) -> None:
    answer, kind, says = REFUSED[case]
    error = opened_with(answer)
    assert type(error) is kind or (kind is RemoteProtocolError and isinstance(error, kind))
    assert says in str(error) or says.replace("\\", "") in str(error)


@pytest.mark.parametrize("vaa_name", [7, 0xFA01])
def test_open_with_short_names_in_another_vaa(vaa_name: int) -> None:
    request = AssociationRequest(context=ApplicationContext.SN)
    response = InitiateResponse(None, 6, SN_CONFORMANCE, 0xFFFF, vaa_name)
    answer = accepted(application_context_name=context_oid(2), user_information=encode(response))
    bench = Bench(request)
    ticket = bench.connection.open(bench.now)
    bench.receive(answer)
    with pytest.raises(RemoteProtocolError, match="VAA name"):
        ticket.result()


# --- IDLE -------------------------------------------------------------------------------------------------------------


def test_IDLE_N1() -> None:
    """Without an association nothing is asked, and what comes is an answer to nothing."""
    bench = Bench()
    bench.connection.framing.connect(bench.now)
    bench.wait(0)
    with pytest.raises(LocalProtocolError, match="while the association is closed"):
        bench.start(get(ENERGY.value)).result()
    bench.receive(GetResponseNormal(0xC1, Unsigned(1)))
    assert (bench.framing.sent, bench.connection.dropped) == ([], 1)


# --- DATA: answers to services with logical names ---------------------------------------------------------------------

GET, SET, ACTION = (
    lambda bench: get(ENERGY.value),
    lambda bench: set_value(TEXT.value, Unsigned(1), None, bench.connection.negotiated),
    lambda bench: call(ENERGY.reset, 0, bench.connection.negotiated),
)
Start = Callable[[Bench], Operation[Any]]
LN_SERVICES: dict[str, Start] = {"GET": GET, "SET": SET, "ACTION": ACTION}
LN_TAGS = {"GET": b"\xc4", "SET": b"\xc5", "ACTION": b"\xc7"}


def outcome(bench: Bench, start: Start, *answers: Record | bytes) -> DlmsError:
    """How an operation ends whose request is answered so, then with silence; the next one is as ever."""
    ticket = bench.start(start(bench))
    for answer in answers:
        bench.answer(answer) if isinstance(answer, Record) else bench.receive(numbered(bench, answer))
    bench.wait(TIMEOUT_S)
    with pytest.raises(DlmsError) as ended:
        ticket.result()
    again = bench.start(get(ENERGY.value))
    bench.answer(GetResponseNormal(0, Unsigned(7)))
    assert again.result() == 7
    return ended.value


def numbered(bench: Bench, data: bytes) -> bytes:
    """An answer with the number of the request, where it has room for one."""
    return data[:2] + bytes((bench.invoke,)) + data[3:] if len(data) > 2 else data


def unknown(service: str) -> type[DlmsError]:
    """A read has failed; nobody knows what came of a write or a call."""
    return RemoteProtocolError if service == "GET" else OutcomeUnknown


@pytest.mark.parametrize("service", LN_SERVICES)
@pytest.mark.parametrize(
    "tail", [b"\x09\x00\x00", b"\x01", b"\x01\x00", b"\x01\x00\x05\x07", b"\x01\x00\x00\x00\x00\x00"]
)
def test_DATA_LN_answers_that_are_none(service: str, tail: bytes) -> None:
    """Choices that there are not, elements that are missing, octets that are left over."""
    error = outcome(Bench().open(), LN_SERVICES[service], LN_TAGS[service] + tail)
    assert isinstance(error, unknown(service))


@pytest.mark.parametrize("service", LN_SERVICES)
def test_DATA_LN_silence_and_other_numbers(service: str) -> None:
    silent = LinkError if service == "GET" else OutcomeUnknown
    for answers in ((), (b"\xc4\x01\x0f\x00\x00",), (b"\xc5\x01\x0f\x00",)):
        bench = Bench().open()
        ticket = bench.start(LN_SERVICES[service](bench))
        for answer in answers:
            bench.receive(answer)
        bench.wait(TIMEOUT_S)
        with pytest.raises(silent, match="within 5 s"):
            ticket.result()
        assert bench.connection.dropped == len(answers)


@pytest.mark.parametrize("service", LN_SERVICES)
def test_DATA_LN_answers_of_another_service(service: str) -> None:
    for other, tag in LN_TAGS.items():
        if other != service:
            error = outcome(Bench().open(), LN_SERVICES[service], tag + b"\x01\x00\x00" + b"\x00" * (other == "ACTION"))
            assert not isinstance(error, ServiceRefused)


@pytest.mark.parametrize("service", LN_SERVICES)
def test_DATA_LN_N4_answers_with_short_names(service: str) -> None:
    """An answer of Read or Write is one to nobody in an association with logical names."""
    bench = Bench().open()
    outcome(
        bench, LN_SERVICES[service], encode(ReadResponse([ReadData(Unsigned(1))])), encode(WriteResponse([Success()]))
    )


@pytest.mark.parametrize("service", LN_SERVICES)
@pytest.mark.parametrize("refusal", [ExceptionResponse(1, 1), ConfirmedServiceError(5, 2, 1)])
def test_DATA_LN_refusals(service: str, refusal: Record) -> None:
    bench = Bench().open()
    ticket = bench.start(LN_SERVICES[service](bench))
    bench.receive(refusal)
    with pytest.raises(ServiceRefused):
        ticket.result()


# --- what was not negotiated ------------------------------------------------------------------------------------------

WITHOUT_BLOCKS = LN_CONFORMANCE & ~BLOCKS
UNAGREED: dict[str, tuple[Start, Record]] = {
    "blocks of GET": (GET, GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x09\x04ab"))),
    "one block of GET": (GET, GetResponseWithDatablock(0, ResultBlock(True, 1, b"\x11\x01"))),
    "blocks of ACTION": (ACTION, ActionResponseWithPblock(0, DataBlock(False, 1, b"\x09\x04ab"))),
    "a block of SET": (SET, SetResponseDatablock(0, 1)),
    "general blocks": (GET, GeneralBlockTransfer(0x01, 1, 0, b"\xc4\x01")),
}


@pytest.mark.parametrize("case", UNAGREED)
def test_answers_that_were_not_agreed_on(case: str) -> None:
    start, answer = UNAGREED[case]
    bench = Bench().open(WITHOUT_BLOCKS)
    if isinstance(answer, GeneralBlockTransfer):
        ticket = bench.start(start(bench))
        bench.receive(answer)
        with pytest.raises(RemoteProtocolError, match="not negotiated"):
            ticket.result()
        return
    error = outcome(bench, start, answer)
    assert isinstance(error, RemoteProtocolError if start is GET else OutcomeUnknown)
    assert not isinstance(error, LocalProtocolError)


def test_an_apdu_longer_than_agreed() -> None:
    for start, answer in (
        (GET, GetResponseNormal(0, bytes(200))),
        (ACTION, ActionResponseNormal(0, ActionResult(0, bytes(200)))),
    ):
        bench = Bench(AssociationRequest(max_receive=100)).open()
        error = outcome(bench, start, answer)
        assert "100 were agreed" in str(error)


def test_lists_of_another_length() -> None:
    refs = [ENERGY.value, TEXT.value]
    for results in ([], [Unsigned(1)], [Unsigned(1)] * 3):
        bench = Bench().open()
        error = outcome(
            bench, lambda bench: get_many(refs, bench.connection.negotiated), GetResponseWithList(0, results)
        )
        assert isinstance(error, RemoteProtocolError)


# --- a server that answers for ever -----------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [False, True])
def test_blocks_without_end(empty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.operations.read.MAX_BLOCKS", 50)
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    for number in range(1, 100):
        if not ticket.done:
            bench.answer(GetResponseWithDatablock(0, ResultBlock(False, number, b"" if empty else b"x")))
    with pytest.raises(RemoteProtocolError, match="is empty" if empty else "50 blocks"):
        ticket.result()
    assert bench.connection.association.state is State.OPEN


@pytest.mark.parametrize("number", [0, 2, 0xFFFFFFFF])
def test_blocks_with_the_wrong_number(number: int) -> None:
    read = outcome(Bench().open(), GET, GetResponseWithDatablock(0, ResultBlock(False, number, b"x")))
    called = outcome(Bench().open(), ACTION, ActionResponseWithPblock(0, DataBlock(False, number, b"x")))
    assert isinstance(read, RemoteProtocolError)
    assert isinstance(called, ReturnLost)


def test_acknowledgements_without_end() -> None:
    """A server that takes one block after the other is done with when the value is; one that asks for the same is not."""
    bench = Bench().open(LN_CONFORMANCE, 40)
    long = set_value(TEXT.value, bytes(100), None, bench.connection.negotiated)
    ticket = bench.start(long)
    while not ticket.done:
        bench.answer(SetResponseDatablock(0, 1))
    with pytest.raises(DlmsError) as ended:
        ticket.result()
    assert len(bench.framing.sent) == 2
    assert isinstance(ended.value, RemoteProtocolError)


def test_set_is_never_done_by_an_acknowledgement() -> None:
    assert isinstance(outcome(Bench().open(), SET, SetResponseDatablock(0, 1)), DlmsError)
    assert isinstance(outcome(Bench().open(), SET, SetResponseNormal(0, 250)), DlmsError)


# --- DATA: short names ------------------------------------------------------------------------------------------------

SN = AssociationRequest(context=ApplicationContext.SN)
LISTED = [(Long(BASE_NAME - 0x10000), LongUnsigned(12), Unsigned(1), bytes(CURRENT_ASSOCIATION.instance))]
LISTED += [(Long(0x100), LongUnsigned(1), Unsigned(0), bytes(TEXT.instance))]


def with_short_names(conformance: Conformance = SN_CONFORMANCE) -> tuple[Bench, ShortNames]:
    """A bench whose association knows where its objects are."""
    bench = Bench(SN)
    ticket = bench.connection.open(bench.now)
    response = InitiateResponse(None, 6, conformance, 0xFFFF, 0xFA00)
    bench.receive(accepted(application_context_name=context_oid(2), user_information=encode(response)))
    names = ShortNames(ticket.result())
    listing = bench.start(names.object_list())
    bench.receive(ReadResponse([ReadData(LISTED)]))
    bench.receive(ReadResponse([DataAccessError(3)]))
    assert len(listing.result()) == 2
    return bench, names


BAD_READS: dict[str, bytes] = {
    "N1 an unknown result": bytes.fromhex("0c0109"),
    "N1 short": bytes.fromhex("0c0100"),
    "N1 none": bytes.fromhex("0c00"),
    "N1 more": encode(ReadResponse([ReadData(Unsigned(1))] * 2)),
    "N1 left over": encode(ReadResponse([ReadData(Unsigned(1))])) + b"\0",
    "N1 a wrong block": encode(ReadResponse([DataBlockResult(False, 2, b"x")])),
    "N1 an empty block": encode(ReadResponse([DataBlockResult(False, 1, b"")])),
}


@pytest.mark.parametrize("case", BAD_READS)
def test_DATA_SN_reads(case: str) -> None:
    bench, names = with_short_names()
    ticket = bench.start(names.get(TEXT.value))
    bench.receive(BAD_READS[case])
    with pytest.raises(RemoteProtocolError):
        ticket.result()
    again = bench.start(names.get(TEXT.value))
    bench.receive(ReadResponse([ReadData("text")]))
    assert again.result() == "text"


@pytest.mark.parametrize("answer", ["0d0109", "0d01", "0d00", "0d020000", "0d010000"])
def test_DATA_SN_N2_writes(answer: str) -> None:
    bench, names = with_short_names()
    ticket = bench.start(names.set_value(TEXT.value, "x"))
    bench.receive(bytes.fromhex(answer))
    with pytest.raises((OutcomeUnknown, RemoteProtocolError)):
        ticket.result()


def test_DATA_SN_N3_an_answer_with_logical_names() -> None:
    bench, names = with_short_names()
    ticket = bench.start(names.get(TEXT.value))
    bench.receive(GetResponseNormal(0xC1, Unsigned(1)))
    assert not ticket.done
    bench.receive(ReadResponse([ReadData("text")]))
    assert ticket.result() == "text"
    assert bench.connection.dropped == 1


@pytest.mark.parametrize("last", [False, True])
def test_DATA_SN_blocks_that_were_not_agreed_on(last: bool) -> None:
    bench, names = with_short_names(SN_CONFORMANCE & ~BLOCKS)
    ticket = bench.start(names.get(TEXT.value))
    bench.receive(ReadResponse([DataBlockResult(last, 1, b"\x01\x00\x11\x01")]))
    with pytest.raises(RemoteProtocolError):
        ticket.result()


# --- REL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, LinkError),
        (Rlre(1), RemoteProtocolError),
        (b"\x63\x01", RemoteProtocolError),
        (ExceptionResponse(1, 1), ServiceRefused),
    ],
)
def test_REL_P1(answer: Record | bytes | None, error: type[DlmsError]) -> None:
    """Whatever comes of the release, the line can be taken down, and nothing waits for ever."""
    bench = Bench().open()
    ticket = bench.connection.release(bench.now)
    if answer is not None:
        bench.receive(answer)
    bench.wait(TIMEOUT_S)
    with pytest.raises(error):
        ticket.result()
    bench.connection.disconnect(bench.now)
    assert bench.connection.closed == "requested"
    assert bench.connection.next_timeout() is None
