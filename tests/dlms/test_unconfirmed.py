"""Associations without answers, unconfirmed and pre-established; services without confirmation; who uses the client."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import Aarq, Rlrq, decode_acse
from dlms.apdu import ExceptionResponse, decode_apdu
from dlms.association import Negotiated, State
from dlms.client import connect
from dlms.codec import encode
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import AssociationRefused, LocalProtocolError
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.write import set_value
from dlms.server import Device
from dlms.values import DoubleLongUnsigned, Integer
from tests.dlms import short_name_meter
from tests.dlms.bench import Bench
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PASSWORDS, SERVER, WRITER, Dialogue, device
from tests.dlms.short_name_meter import client

UNCONFIRMED = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], conformance=EVERYTHING, confirmed=False)
HELD = Negotiated(EVERYTHING, 0xFFFF, 0xFFFF)
ESTABLISHED = AssociationRequest(pre_established=HELD)


def granting(**fields: Any) -> Device:
    """The device, its writer's association changed."""
    plain = device()
    granted = dataclasses.replace(plain.associations[WRITER, SERVER], **fields)
    return Device(plain.store, plain.logical_devices, (granted,))


def value(of: Device) -> object:
    return of.store.get(ENERGY.value)


# --- unconfirmed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hdlc", [False, True])
def test_an_unconfirmed_association_writes_and_calls(hdlc: bool) -> None:
    meter = device()
    calls: list[object] = []
    meter.store.methods[ENERGY.reset] = calls.append  # type: ignore[attr-defined]  # the store of the tests
    writer, _ = client(meter, UNCONFIRMED, sap=WRITER, hdlc=hdlc)
    assert writer.connection.negotiated.conformance == EVERYTHING
    writer.set(ENERGY.value, DoubleLongUnsigned(8), confirmed=False)
    assert writer.call(ENERGY.reset, 3, confirmed=False) is None
    writer.set(ENERGY.value, DoubleLongUnsigned(9), confirmed=False)
    writer.close()
    assert value(meter) == 9
    assert calls == [Integer(3)]


def test_what_goes_over_the_line() -> None:
    bench = Bench(UNCONFIRMED)
    bench.connection.open(bench.now).result()
    ticket = bench.start(set_value(ENERGY.value, DoubleLongUnsigned(1), confirmed=False))
    assert ticket.done
    opening = decode_acse(bench.framing.sent[0])
    assert isinstance(opening, Aarq)
    assert not opening.initiate().response_allowed
    assert bench.invoke & 0x40 == 0
    assert bench.framing.expects_reply == [False, False]
    assert bench.connection.next_timeout() is None
    bench.connection.release(bench.now).result()
    assert len(bench.framing.sent) == 2, "there is nothing to release: nobody would answer"


def test_nothing_is_asked_where_nobody_answers() -> None:
    writer, medium = client(device(), UNCONFIRMED, sap=WRITER)
    sent = len(medium.sent)
    with pytest.raises(LocalProtocolError, match="unconfirmed: nobody answers get-request-normal"):
        writer.get(ENERGY.value)
    with pytest.raises(LocalProtocolError, match="nobody answers"):
        writer.set(ENERGY.value, DoubleLongUnsigned(9))
    assert len(medium.sent) == sent


def test_services_without_confirmation_in_a_confirmed_association() -> None:
    request = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], max_receive=100)
    meter = granting(max_receive=100)
    writer, _ = client(meter, request, sap=WRITER)
    writer.set(ENERGY.value, DoubleLongUnsigned(9), confirmed=False)
    assert writer.get(ENERGY.value) == 9
    with pytest.raises(LocalProtocolError, match="the peer receives 100"):
        writer.set(LONG.value, bytes(500), confirmed=False)
    assert writer.get(ENERGY.value) == 9


@pytest.mark.parametrize("lost", [None, 0, 3])
def test_what_is_long_goes_in_blocks_that_nobody_acknowledges(lost: int | None) -> None:
    """One that loses a block is not carried out; nothing is answered, and the next exchange is as ever."""
    general = EVERYTHING | Conformance.GENERAL_BLOCK_TRANSFER
    request = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], conformance=general)
    meter = granting(max_receive=100, conformance=general)
    writer, medium = client(meter, request, sap=WRITER)
    send, sent = medium.send, len(medium.sent)

    def losing(data: bytes) -> None:
        if lost is None or len(medium.sent) != sent + lost:
            send(data)
        else:
            medium.sent.append(b"lost")

    medium.send = losing  # type: ignore[method-assign]
    writer.set(LONG.value, bytes(500), confirmed=False)
    assert len(medium.sent) == sent + 6
    assert not medium.session.data_to_send()
    assert writer.get(ENERGY.value) == 1234
    assert meter.store.get(LONG.value) == (bytes(500) if lost is None else bytes(range(256)) * 3)


def test_unconfirmed_write_with_short_names() -> None:
    meter = short_name_meter.device()
    reader, medium = client(meter)
    reader.set(short_name_meter.TEXT.value, "unconfirmed!", confirmed=False)
    assert medium.sent[-1][0] == 0x16
    assert reader.get(short_name_meter.TEXT.value) == "unconfirmed!"


# --- pre-established ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hdlc", [False, True])
def test_a_pre_established_association(hdlc: bool) -> None:
    meter = granting(pre_established=HELD)
    writer, medium = client(meter, ESTABLISHED, sap=WRITER, hdlc=hdlc)
    writer.set(ENERGY.value, DoubleLongUnsigned(9))
    assert writer.get(ENERGY.value) == 9
    assert bytes(writer.get(LONG.value)) == bytes(range(256)) * 3
    writer.close()
    again, _ = client(meter, ESTABLISHED, sap=WRITER, hdlc=hdlc)
    assert again.get(ENERGY.value) == 9
    if not hdlc:
        assert not [apdu for apdu in medium.sent if apdu[0] in (0x60, 0x62)]


def test_a_pre_established_association_is_neither_opened_nor_released() -> None:
    dialogue = Dialogue(granting(pre_established=HELD))
    assert dialogue.is_associated(WRITER)
    answer = decode_acse(dialogue.say(encode(aarq(AssociationRequest())), WRITER) or b"")
    assert getattr(answer, "result", None) == 1
    assert dialogue.say(encode(aarq(UNCONFIRMED)), WRITER) is None
    assert isinstance(decode_apdu(dialogue.say(encode(Rlrq(0)), WRITER) or b""), ExceptionResponse)
    assert dialogue.is_associated(WRITER)


def test_what_holds_in_a_pre_established_association_is_kept_to() -> None:
    dialogue = Dialogue(granting(pre_established=Negotiated(Conformance.GET, 0, 100)))
    assert dialogue.is_associated(WRITER)
    refused = dialogue.say(bytes.fromhex("c101c10003 0100010800ff 0200 06 00000009"), WRITER)
    assert isinstance(decode_apdu(refused or b""), ExceptionResponse)
    held = AssociationRequest(pre_established=Negotiated(Conformance.GET, 0, 100))
    writer, _ = client(dialogue.device, held, sap=WRITER)
    with pytest.raises(LocalProtocolError, match="set was not negotiated"):
        writer.set(ENERGY.value, DoubleLongUnsigned(1))


def test_short_names_in_a_pre_established_association() -> None:
    context = ApplicationContext.SN
    held = Negotiated(short_name_meter.ALL, 0xFFFF, 0xFFFF, context)
    plain = short_name_meter.device()
    granted = dataclasses.replace(plain.associations[short_name_meter.PUBLIC, SERVER], pre_established=held)
    meter = Device(plain.store, plain.logical_devices, (granted,))
    reader, _ = client(meter, AssociationRequest(context=context, pre_established=held))
    assert reader.get(short_name_meter.ENERGY.value) == plain.store.get(short_name_meter.ENERGY.value)


# --- users ----------------------------------------------------------------------------------------------------------


def test_the_user_of_the_client() -> None:
    meter = granting(users={7: "seven"})
    with served(memory_name(), meter) as url:
        with connect(url, client=WRITER, password=PASSWORDS[WRITER], user=7) as writer:
            assert writer.get(ENERGY.value) == 1234
        for user in (None, 8):
            with pytest.raises(AssociationRefused, match="invocation") as refusal:
                connect(url, client=WRITER, password=PASSWORDS[WRITER], user=user)
            assert refusal.value.diagnostic == 6


def test_connect_without_answers() -> None:
    """Not even a refusal is waited for."""
    with (
        served(memory_name()) as url,
        connect(url, client=WRITER, password="wrong", confirmed=False) as writer,
    ):
        assert writer.connection.association.state is State.OPEN
        writer.set(ENERGY.value, DoubleLongUnsigned(9), confirmed=False)
