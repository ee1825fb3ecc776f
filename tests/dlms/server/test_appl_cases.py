"""Our re-implementation of the application layer's abstract tests, as far as they need no ciphering or HLS.

Each test has the name of its case; the letters behind it are the subtests.  Those with octets of Read and Write stand in
`test_short_name_services`, under their names too: IDLE_N1, DATA_SN_N1, DATA_SN_N2, DATA_SN_N3.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import Aare, Aarq, Rlre, Rlrq, Tagged, context_oid, decode_acse
from dlms.apdu import (
    ConfirmedServiceError,
    ExceptionResponse,
    GetResponseNormal,
    InitiateRequest,
    InitiateResponse,
    SetResponseNormal,
    decode_apdu,
)
from dlms.codec import Refusal, encode
from dlms.decode.json import apdu_from_json, apdu_to_json
from dlms.decode.xml import from_xml, to_xml
from dlms.endpoint import dial
from dlms.enums import Conformance, Mechanism
from dlms.errors import DecodeError
from dlms.framing import Connected, Disconnected, Received
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import WrapperReader, wrap
from dlms.media import Medium
from dlms.operations.associate import AssociationRequest
from dlms.server import Device, Session
from tests.dlms import short_name_meter as sn
from tests.dlms.served import served
from tests.dlms.server.devices import EVERYTHING, PASSWORDS, PUBLIC, READER, SERVER, WRITER, Dialogue, device, proposal

READ_ASSOCIATION = bytes.fromhex("c001c1000f0000280000ff0100")
ANONYMOUS = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f040060fe9fffff")


def aare(dialogue: Dialogue, aarq: bytes, client: int = PUBLIC) -> Aare:
    answer = dialogue.ask(aarq, client)
    assert isinstance(answer, Aare)
    return answer


def accepted(dialogue: Dialogue, aarq: bytes, client: int = PUBLIC) -> InitiateResponse:
    """What an accepting AARE must say in a plain context."""
    answer = aare(dialogue, aarq, client)
    assert (answer.result, answer.diagnostic and (answer.diagnostic.source, answer.diagnostic.code)) == (0, (1, 0))
    assert answer.application_context_name == context_oid(1)
    assert answer.protocol_version in (None, b"\x07\x80")
    absent = (
        answer.responding_ap_title,
        answer.responding_ae_qualifier,
        answer.responding_ap_invocation_id,
        answer.responding_ae_invocation_id,
        answer.responding_authentication_value,
    )
    assert absent == (None,) * 5
    initiate = answer.initiate()
    assert (initiate.dlms_version, initiate.vaa_name) == (6, 7)
    assert initiate.server_max_receive_pdu_size > 12
    assert dialogue.is_associated(client)
    return initiate


def refused(dialogue: Dialogue, aarq: bytes, codes: set[int], client: int = PUBLIC, source: int = 1) -> Aare:
    """A permanent rejection with one of the diagnostics; nothing is associated behind it."""
    answer = aare(dialogue, aarq, client)
    assert answer.result == 1
    assert answer.diagnostic is not None
    assert answer.diagnostic.source == source
    assert answer.diagnostic.code in codes
    assert not dialogue.is_associated(client)
    return answer


def changed(client: int = PUBLIC, **fields: Any) -> bytes:
    """The AARQ of a client with some fields replaced."""
    plain = decode_acse(proposal(client))
    values = {name: getattr(plain, name) for name, _ in Aarq.layout}
    return encode(Aarq(**(values | fields)))


def initiate(**fields: Any) -> bytes:
    """An initiate-request with some fields replaced."""
    values = {
        "dedicated_key": None,
        "response_allowed": True,
        "proposed_quality_of_service": None,
        "dlms_version": 6,
        "conformance": EVERYTHING,
        "client_max_receive_pdu_size": 0xFFFF,
    }
    return encode(InitiateRequest(**(values | fields)))


def initiate_error(answer: Aare) -> int:
    """The initiate error in the user information of a refusal."""
    error = decode_apdu(answer.user_information or b"")
    assert isinstance(error, ConfirmedServiceError)
    assert (error.service, error.error_type) == (1, 6)
    return error.value


def test_appl_idle_n1() -> None:
    assert isinstance(Dialogue().ask(READ_ASSOCIATION), ExceptionResponse)


@pytest.mark.parametrize("client", [PUBLIC, READER, WRITER])
def test_appl_open_1(client: int) -> None:
    dialogue = Dialogue()
    accepted(dialogue, proposal(client), client)
    assert dialogue.ask(Rlrq(0), client) == Rlre(0)
    assert not dialogue.is_associated(client)


def test_appl_open_1_short_names() -> None:
    wire = sn.Wire(sn.device())
    answer = wire.associate()
    assert (answer.result, answer.application_context_name) == (0, context_oid(2))
    assert wire.alive()


USERS = {1: "one", 7: "seven"}


def identifying() -> Dialogue:
    """A device that lets only some users in."""
    plain = device()
    granted = plain.associations[PUBLIC, SERVER]
    return Dialogue(Device(plain.store, plain.logical_devices, (dataclasses.replace(granted, users=USERS),)))


@pytest.mark.parametrize("user", [None, 0, 2, 256 + 7, -1])
def test_appl_open_2(user: int | None) -> None:
    dialogue = identifying()
    refused(dialogue, changed(calling_ae_invocation_id=user), {6})
    accepted(dialogue, changed(calling_ae_invocation_id=7))


@pytest.mark.parametrize(
    ("version", "good"), [(b"\x07\x80", True), (b"\x06\x40", False), (b"\x02\x04", False), (b"", False)]
)
def test_appl_open_4(version: bytes, good: bool) -> None:
    aarq = changed(protocol_version=version)
    if good:
        accepted(Dialogue(), aarq)
    else:
        refused(Dialogue(), aarq, {2}, source=2)


@pytest.mark.parametrize("name", [context_oid(2), context_oid(3), context_oid(99), b"\x2a\x03\x04", None])
def test_appl_open_5(name: bytes | None) -> None:
    refused(Dialogue(), changed(application_context_name=name), {2})


def test_appl_open_6_s1() -> None:
    dummies = "6036a109060760857405080101a203040144a303040144a403020100a503020100a803020100be10040e01000000065f1f040060fe9fffff"
    accepted(Dialogue(), bytes.fromhex(dummies))


IGNORED = (
    *("called_ap_title", "called_ae_qualifier", "called_ap_invocation_id", "called_ae_invocation_id"),
    *("calling_ae_qualifier", "calling_ap_invocation_id", "implementation_information"),
)
"""Optional fields that the book lists and that change nothing where there is no ciphering and there are no users."""


@pytest.mark.parametrize("octets", [b"", b"\x02\x01\x05", b"\xff" * 130])
@pytest.mark.parametrize("field", IGNORED)
def test_listed_fields_are_ignored_whatever_they_hold_and_come_back(field: str, octets: bytes) -> None:
    aarq = changed(**{field: octets})
    assert getattr(decode_acse(aarq), field) == octets
    assert from_xml(to_xml(aarq)) == aarq == apdu_from_json(apdu_to_json(aarq))
    accepted(Dialogue(), aarq)


@pytest.mark.parametrize("octets", ["0500", "020105", "04024142", "1e0200410000"])
def test_fields_that_are_not_listed_are_refused(octets: str) -> None:
    """Each of the 256 tags that is none of an AARQ, in front of each field and behind the last; so are repetitions."""
    whole = decode_acse(changed(READER, called_ap_title=b"\4\1D"))
    fields = [bytes(part) for part in parts(whole)]
    listed = {codec.tag for _, codec in Aarq.layout if isinstance(codec, Tagged)}
    for tag in set(range(256)) - listed:
        content = bytes.fromhex(octets)
        for place in range(len(fields) + 1):
            strange = bytes((tag, len(content))) + content
            with pytest.raises(DecodeError, match="unknown, repeated or out of order"):
                decode_acse(joined([*fields[:place], strange, *fields[place:]]))
    for place in range(len(fields)):
        with pytest.raises(DecodeError, match="unknown, repeated or out of order"):
            decode_acse(joined([*fields, fields[place]]))
    assert decode_acse(joined(fields)) == whole


def parts(aarq: Any) -> list[bytes]:
    """The encoded fields of an AARQ that are there."""
    found = []
    for name, codec in Aarq.layout:
        out = bytearray()
        codec.encode(getattr(aarq, name), out)
        found.append(bytes(out))
    return [one for one in found if one]


def joined(fields: list[bytes]) -> bytes:
    """An AARQ of these fields; they are short."""
    content = b"".join(fields)
    assert len(content) < 0x80
    return bytes((0x60, len(content))) + content


@pytest.mark.parametrize("size", [7, 9])
def test_appl_open_6_s2_s3(size: int) -> None:
    refused(Dialogue(), changed(calling_ap_title=bytes(size)), {1, 3, 13, 14})


def test_appl_open_6_s4() -> None:
    accepted(Dialogue(), changed(calling_ae_invocation_id=1))


AUTHENTICATION = ("sender_acse_requirements", "mechanism_name", "calling_authentication_value")
OPEN_7: list[tuple[str, dict[str, Any], set[int]]] = [
    ("s1", dict.fromkeys(AUTHENTICATION), {1, 11, 12, 13, 14}),
    ("s2", {"sender_acse_requirements": b"\x07\x00"}, {1, 12, 13, 14}),
    ("s2 absent", {"sender_acse_requirements": None}, {1, 12, 13, 14}),
    ("s3", dict.fromkeys(AUTHENTICATION[1:]), {1, 11, 12, 13, 14}),
    ("s4", {"mechanism_name": None}, {1, 11, 12, 13, 14}),
    ("s5", {"calling_authentication_value": None}, {1, 13, 14}),
    ("s6", {"mechanism_name": bytes.fromhex("60857405080200")}, {1, 11, 12, 13, 14}),
    ("s6 hls", {"mechanism_name": bytes.fromhex("60857405080205")}, {1, 11, 12, 13, 14}),
    ("s6 unknown", {"mechanism_name": bytes.fromhex("60857405080263")}, {1, 11, 12, 13, 14}),
    ("s7", {"calling_authentication_value": b"54321"}, {1, 13}),
    ("s7 longer", {"calling_authentication_value": b"12345\0"}, {1, 13}),
    ("s7 empty", {"calling_authentication_value": b""}, {1, 13}),
]


@pytest.mark.parametrize(("fields", "codes"), [case[1:] for case in OPEN_7], ids=[case[0] for case in OPEN_7])
def test_appl_open_7(fields: dict[str, Any], codes: set[int]) -> None:
    refused(Dialogue(), changed(READER, **fields), codes, READER)


def test_appl_open_7_mechanism_for_an_association_without() -> None:
    refused(Dialogue(), changed(mechanism_name=bytes.fromhex("60857405080201")), {1, 11, 12, 13, 14})


def test_appl_open_9() -> None:
    refused(Dialogue(), changed(user_information=initiate(dedicated_key=bytes(16))), {1})


@pytest.mark.parametrize("quality", [-128, 0, 127])
def test_appl_open_11(quality: int) -> None:
    accepted(Dialogue(), changed(user_information=initiate(proposed_quality_of_service=quality)))


def test_appl_open_12_s1() -> None:
    assert initiate_error(refused(Dialogue(), changed(user_information=initiate(dlms_version=5)), {1})) == 1


def test_appl_open_12_s2() -> None:
    version_7 = "601da109060760857405080101be10040e01000000075f1f040060fe9fffff"
    assert accepted(Dialogue(), bytes.fromhex(version_7)).dlms_version == 6


def test_appl_open_13_s1() -> None:
    assert accepted(Dialogue(), proposal()).conformance == EVERYTHING


def test_appl_open_13_s2() -> None:
    mixed = EVERYTHING | Conformance.READ | Conformance.WRITE | Conformance.PARAMETERIZED_ACCESS
    assert accepted(Dialogue(), changed(user_information=initiate(conformance=mixed))).conformance == EVERYTHING


def test_appl_open_13_s3() -> None:
    only_read = changed(user_information=initiate(conformance=Conformance.READ))
    assert initiate_error(refused(Dialogue(), only_read, {1})) == 2


def test_appl_open_13_s1_short_names() -> None:
    assert sn.Wire(sn.device()).associate().initiate().conformance == sn.ALL


def test_appl_open_13_s2_short_names() -> None:
    mixed = AssociationRequest(
        context=sn.SN, conformance=sn.ALL | Conformance.GET | Conformance.SET | Conformance.ACTION
    )
    wire = sn.Wire(sn.device())
    assert wire.associate(mixed).initiate().conformance == sn.ALL
    assert wire.alive()


def test_appl_open_13_s3_short_names() -> None:
    wire = sn.Wire(sn.device())
    only_get = wire.associate(AssociationRequest(context=sn.SN, conformance=Conformance.GET))
    assert (only_get.result, initiate_error(only_get)) == (1, 2)
    assert not wire.alive()


def test_appl_open_13_only_what_is_declared() -> None:
    dialogue = Dialogue(device(conformance=Conformance.GET))
    assert accepted(dialogue, proposal()).conformance == Conformance.GET


@pytest.mark.parametrize("size", [1, 11])
def test_appl_open_14(size: int) -> None:
    aarq = ANONYMOUS[:-2] + size.to_bytes(2, "big")
    assert initiate_error(refused(Dialogue(), aarq, {1})) == 3


@pytest.mark.parametrize("size", [0, 12])
def test_appl_open_14_sizes_that_are_enough(size: int) -> None:
    answer = aare(Dialogue(), ANONYMOUS[:-2] + size.to_bytes(2, "big"))
    assert answer.result == 0


GET_N1 = {
    "s1 unknown choice": "c004c1000f0000280000ff0100",
    "s2 elements missing": "c001c1000028000100",
    "s3 bogus name": "c001c1000f00002800ffff0100",
    "s4 attribute 40": "c001c1000f0000280000ff4000",
}


@pytest.mark.parametrize("stimulus", GET_N1.values(), ids=GET_N1)
def test_appl_data_ln_n1(stimulus: str) -> None:
    dialogue = Dialogue().open()
    answer = dialogue.ask(bytes.fromhex(stimulus))
    if isinstance(answer, GetResponseNormal):
        assert isinstance(answer.result, Refusal)
        assert answer.result.result != 0
    else:
        assert isinstance(answer, ExceptionResponse)
    assert dialogue.is_associated()


SET_N3 = {
    "s1 unknown choice": "c106c1000f0000280000ff010009060000280000ff",
    "s2 elements missing": "c101c10000280001000906",
    "s3 bogus name": "c101c1000f00002800ffff010009060000280000ff",
    "s4 attribute 40": "c101c1000f0000280000ff400009060000280000ff",
}


@pytest.mark.parametrize("stimulus", SET_N3.values(), ids=SET_N3)
def test_appl_data_ln_n3(stimulus: str) -> None:
    dialogue = Dialogue().open(WRITER)
    answer = dialogue.ask(bytes.fromhex(stimulus), WRITER)
    if isinstance(answer, SetResponseNormal):
        assert answer.result != 0
    else:
        assert isinstance(answer, ExceptionResponse)
    assert dialogue.is_associated(WRITER)


def test_appl_data_ln_n4() -> None:
    dialogue = Dialogue().open()
    assert isinstance(dialogue.ask(bytes.fromhex("050102fa00")), ExceptionResponse | ConfirmedServiceError)
    assert dialogue.is_associated()


class OverHdlc:
    """A link of the public client, octets of APDUs in and out."""

    def __init__(self) -> None:
        self._far = Session({None: device()}, HdlcServer(server_saps=frozenset((SERVER,))))
        self._near = HdlcClient(PUBLIC, SERVER)

    def happens(self) -> Any:
        """The one event of the client after all that is on its way has come."""
        while pieces := self._near.data_to_send():
            for piece in pieces:
                self._far.receive_data(piece, 0.0)
            for piece in self._far.data_to_send():
                self._near.receive_data(piece, 0.0)
        event = self._near.next_event()
        assert self._near.next_event() is None
        return event

    def connect(self) -> None:
        self._near.connect(0.0)
        assert self.happens() == Connected()

    def disconnect(self) -> None:
        self._near.disconnect(0.0)
        assert isinstance(self.happens(), Disconnected)

    def say(self, apdu: bytes) -> bytes:
        self._near.send(apdu, 0.0)
        event = self.happens()
        assert isinstance(event, Received)
        return event.apdu


def test_appl_rel_p1_s1() -> None:
    line = OverHdlc()
    line.connect()
    assert decode_acse(line.say(proposal())).result == 0  # type: ignore[attr-defined]
    assert line.say(READ_ASSOCIATION)[:4] == b"\xc4\x01\xc1\x00"
    line.disconnect()
    line.connect()
    assert isinstance(decode_apdu(line.say(READ_ASSOCIATION)), ExceptionResponse)
    assert decode_acse(line.say(proposal())).result == 0  # type: ignore[attr-defined]
    assert line.say(READ_ASSOCIATION)[:4] == b"\xc4\x01\xc1\x00"


def over_tcp(medium: Medium, apdu: bytes) -> bytes:
    """The answer to an APDU of the public client."""
    reader = WrapperReader(False)
    medium.send(wrap(PUBLIC, SERVER, apdu))
    while (found := reader.next_apdu()) is None:
        reader.feed(medium.receive(5.0))
    return found[2]


def test_appl_rel_p1_s2() -> None:
    with served("tcp://127.0.0.1:0", device()) as url:
        first = dial(url)
        assert decode_acse(over_tcp(first, proposal())).result == 0  # type: ignore[attr-defined]
        assert over_tcp(first, READ_ASSOCIATION)[:4] == b"\xc4\x01\xc1\x00"
        first.close()
        second = dial(url)
        assert isinstance(decode_apdu(over_tcp(second, READ_ASSOCIATION)), ExceptionResponse)
        assert decode_acse(over_tcp(second, proposal())).result == 0  # type: ignore[attr-defined]
        assert over_tcp(second, READ_ASSOCIATION)[:4] == b"\xc4\x01\xc1\x00"
        second.close()


def test_appl_rel_p1_s3_short_names() -> None:
    wire = sn.Wire(sn.device())
    wire.associate()
    assert wire.alive()
    assert decode_acse(wire.ask(encode(Rlrq(0)))) == Rlre(0)
    assert not wire.alive()


def test_appl_rel_p1_s3() -> None:
    dialogue = Dialogue().open()
    assert dialogue.ask(Rlrq(0)) == Rlre(0)
    assert not dialogue.is_associated()
    dialogue.open()
    assert dialogue.is_associated()


def test_release_without_an_association() -> None:
    assert isinstance(Dialogue().ask(Rlrq(0)), ExceptionResponse)


def test_an_unconfirmed_association_is_not_answered_and_serves() -> None:
    dialogue = Dialogue()
    assert dialogue.say(changed(user_information=initiate(response_allowed=False))) is None
    assert dialogue.is_associated()


def test_an_unconfirmed_association_that_is_refused_is_not_answered_either() -> None:
    dialogue = Dialogue()
    aarq = changed(user_information=initiate(response_allowed=False, client_max_receive_pdu_size=5))
    assert dialogue.say(aarq) is None
    assert not dialogue.is_associated()


def test_no_association_for_these_access_points() -> None:
    dialogue = Dialogue()
    assert aare(dialogue, proposal(), 99).result == 1
    assert dialogue.session._peers == {}


@pytest.mark.parametrize("aarq", [b"\x60", b"\x60\x00", b"\x60\x80\x00\x00", proposal()[:-1], proposal() + b"\0"])
def test_a_malformed_aarq_opens_nothing(aarq: bytes) -> None:
    dialogue = Dialogue()
    answer = dialogue.ask(aarq)
    assert isinstance(answer, ExceptionResponse) or (isinstance(answer, Aare) and answer.result == 1)
    assert not dialogue.is_associated()


@pytest.mark.parametrize("information", [None, b"", b"\x21\x00", initiate()[:-1], initiate() + b"\0"])
def test_an_aarq_without_a_readable_initiate(information: bytes | None) -> None:
    refused(Dialogue(), changed(user_information=information), {1})


def test_the_association_describes_itself() -> None:
    dialogue = Dialogue().open(READER, max_receive=500)
    answers: dict[int, Any] = {}
    for index in range(1, 9):
        answer = dialogue.ask(bytes.fromhex(f"c001c1000f0000280000ff{index:02x}00"), READER)
        answers[index] = getattr(answer, "result", answer)
    assert answers[3] == (READER, 1)
    assert answers[4] == context_oid(1)
    assert answers[5][1:4] == (0xFFFF, 500, 6)
    assert answers[6] == bytes.fromhex("608574050802") + bytes((Mechanism.LLS,))
    assert isinstance(answers[7], Refusal)
    assert answers[8] == 2
    assert PASSWORDS[READER] not in str(answers).encode()
