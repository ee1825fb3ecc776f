"""A datagram that comes twice: what must happen once happens once, and is answered again."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.acse import Rlrq
from dlms.apdu import (
    AccessRequest,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithPblock,
    GeneralBlockTransfer,
    GetRequestNext,
    GetRequestNormal,
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
)
from dlms.apdu.access import AccessGet, AccessSet
from dlms.apdu.attribute import CosemMethodDescriptor, DataBlock
from dlms.codec import Record, encode
from dlms.data import DoubleLongUnsigned, Integer
from dlms.enums import Conformance
from dlms.framing.wrapper import HEADER, WrapperServer, wrap
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.read import descriptor
from dlms.server import Session
from dlms.server.repeats import REPEAT_S
from tests.dlms import short_name_meter as sn
from tests.dlms.server.devices import (
    ENERGY,
    EVERYTHING,
    LONG,
    NAME,
    READER,
    SERVER,
    WRITER,
    Dialogue,
    device,
    proposal,
)

ALL = EVERYTHING | Conformance.ACCESS | Conformance.GENERAL_BLOCK_TRANSFER
CALL = ActionRequestNormal(0xC1, CosemMethodDescriptor(3, bytes(ENERGY.instance), 1), Integer(0))
SET = SetRequestNormal(0xC1, descriptor(ENERGY.value), None, DoubleLongUnsigned(7))
GET = GetRequestNormal(0xC1, descriptor(ENERGY.value))


class Datagrams(Dialogue):
    """A dialogue over datagrams, with a count of what its device was made to do."""

    def __init__(self, *, reliable: bool = False, conformance: Conformance = ALL) -> None:
        super().__init__(device(conformance=ALL))
        self.session = Session({None: self.device}, WrapperServer(datagrams=not reliable))
        self.done: list[Any] = []
        held: Any = self.device.store
        held.methods[ENERGY.reset] = self.done.append
        inner = held.set
        held.set = lambda ref, value: (self.done.append(value), inner(ref, value))
        self.open(WRITER, conformance, 100)
        self.open(READER, conformance, 100)

    def twice(self, request: bytes | Record, client: int = WRITER) -> bytes | None:
        """The answer to a request that comes twice, which is the same both times."""
        first = self.say(request, client)
        assert self.say(request, client) == first
        return first


@pytest.mark.parametrize("request_", [CALL, SET], ids=["call", "write"])
def test_it_is_carried_out_once_and_answered_twice(request_: Record) -> None:
    dialogue = Datagrams()
    assert dialogue.twice(request_) is not None
    assert len(dialogue.done) == 1


@pytest.mark.parametrize("request_", [CALL, SET], ids=["call", "write"])
def test_over_a_stream_it_is_carried_out_as_often_as_it_comes(request_: Record) -> None:
    dialogue = Datagrams(reliable=True)
    dialogue.twice(request_)
    assert len(dialogue.done) == 2


def test_one_that_is_not_answered_is_carried_out_once_too() -> None:
    dialogue = Datagrams()
    assert dialogue.twice(ActionRequestNormal(0x81, CALL.method, Integer(0))) is None
    assert len(dialogue.done) == 1


def test_another_invoke_id_is_another_request() -> None:
    dialogue = Datagrams()
    for invoke in (0xC1, 0xC2, 0xC3, 0xC1):
        dialogue.say(ActionRequestNormal(invoke, CALL.method, Integer(0)), WRITER)
    assert len(dialogue.done) == 4


def test_a_client_that_cycles_its_invoke_ids_writes_the_same_value_again_and_again() -> None:
    dialogue = Datagrams()
    for turn in range(40):
        dialogue.say(SetRequestNormal(0xC0 | turn % 16, SET.attribute, None, SET.value), WRITER)
    assert len(dialogue.done) == 40


def test_one_invoke_id_for_ever_is_another_request_after_a_while_or_after_another_one() -> None:
    dialogue = Datagrams()
    dialogue.say(CALL, WRITER)
    dialogue.now += REPEAT_S - 0.01
    dialogue.say(CALL, WRITER)
    assert len(dialogue.done) == 1
    dialogue.now += 0.01
    dialogue.say(CALL, WRITER)
    assert len(dialogue.done) == 2, "repeats do not make it last longer"
    dialogue.say(GET, WRITER)
    dialogue.say(CALL, WRITER)
    assert len(dialogue.done) == 3


def test_the_same_octets_from_another_client_are_another_request() -> None:
    dialogue = Datagrams()
    dialogue.say(CALL, WRITER)
    dialogue.say(CALL, READER)
    assert len(dialogue.done) == 2


def test_a_read_is_answered_afresh() -> None:
    dialogue = Datagrams()
    before = dialogue.say(GET, READER)
    dialogue.say(SET, WRITER)
    assert dialogue.say(GET, READER) != before


def test_an_access_is_carried_out_once_and_one_that_only_reads_answered_afresh() -> None:
    dialogue = Datagrams()
    reading = [AccessGet(descriptor(ENERGY.value))]
    request = AccessRequest(0x40000007, b"", [*reading, AccessSet(descriptor(ENERGY.value))], [None, SET.value])
    dialogue.twice(request)
    assert len(dialogue.done) == 1
    only = AccessRequest(0x40000008, b"", reading, [None])
    before = dialogue.say(only, READER)
    dialogue.say(SetRequestNormal(0xC1, SET.attribute, None, DoubleLongUnsigned(99)), WRITER)
    assert dialogue.say(only, READER) != before


def test_blocks_that_come_twice_do_not_end_a_transfer() -> None:
    dialogue = Datagrams(conformance=ALL & ~Conformance.GENERAL_BLOCK_TRANSFER)
    answer, number = dialogue.twice(GetRequestNormal(0xC2, descriptor(LONG.value))), 1
    value = b""
    while answer is not None:
        assert answer[:2] == b"\xc4\x02", answer.hex()
        value += answer[10:]
        if answer[3]:
            break
        answer = dialogue.twice(GetRequestNext(0xC2, number))
        number += 1
    assert value.endswith(bytes(range(256)))
    first = SetRequestWithFirstDatablock(0xC3, descriptor(NAME.value), None, DataBlock(False, 1, b"\x09\x02"))
    assert dialogue.twice(first) == bytes.fromhex("c502c300000001")
    assert dialogue.twice(SetRequestWithDatablock(0xC3, DataBlock(False, 2, b"a"))) == bytes.fromhex("c502c300000002")
    assert dialogue.twice(SetRequestWithDatablock(0xC3, DataBlock(True, 3, b"b"))) == bytes.fromhex("c503c30000000003")
    assert dialogue.done == [b"ab"]
    dialogue.twice(ActionRequestWithFirstPblock(0xC4, CALL.method, DataBlock(False, 1, b"\x0f")))
    dialogue.twice(ActionRequestWithPblock(0xC4, DataBlock(True, 2, b"\x05")))
    assert dialogue.done == [b"ab", 5]


def test_a_request_in_general_blocks_is_carried_out_once() -> None:
    dialogue = Datagrams()
    block = GeneralBlockTransfer(0x81, 1, 0, encode(SET))
    dialogue.say(block, WRITER)
    dialogue.say(block, WRITER)
    assert len(dialogue.done) == 1


def test_an_aarq_or_a_release_that_comes_twice() -> None:
    dialogue = Datagrams()
    assert dialogue.twice(proposal(WRITER)) is not None
    assert dialogue.is_associated(WRITER)
    assert dialogue.twice(Rlrq(0)) == bytes.fromhex("6303800100")
    assert not dialogue.is_associated(WRITER)
    dialogue.open(WRITER)


def test_what_is_remembered_is_one_answer_a_client() -> None:
    """Nothing of who has no association here, nothing of the request before the last."""
    dialogue = Datagrams()
    for client in range(1000, 1100):
        dialogue.session.receive_data(wrap(client, SERVER, proposal(WRITER)), 0.0)
    assert len(dialogue.session.data_to_send()) == 100
    assert dialogue.session._peers.keys() == {(WRITER, SERVER, None), (READER, SERVER, None)}
    for number in range(100):
        dialogue.say(SetRequestNormal(0xC1, SET.attribute, None, DoubleLongUnsigned(number)), WRITER)
    remembered = [one.repeats for one in dialogue.session._peers.values()]
    assert sum(len(answer) for one in remembered for answer in one._answers) < 200


# --- short names have no invoke-id ----------------------------------------------------------------------------------


def short_name_datagrams() -> Any:
    session = Session({None: sn.device()}, WrapperServer(datagrams=True))

    def say(apdu: bytes) -> bytes:
        session.receive_data(wrap(sn.PUBLIC, sn.SERVER, apdu), 0.0)
        return b"".join(session.data_to_send())[HEADER.size :]

    say(encode(aarq(AssociationRequest(context=sn.SN, max_receive=60))))
    return say


def test_a_write_with_a_short_name_cannot_be_told_from_the_next_one() -> None:
    say = short_name_datagrams()
    assert say(bytes.fromhex("06010201080100")) == say(bytes.fromhex("06010201080100")) == bytes.fromhex("0d01010c")


def test_blocks_with_short_names_that_come_twice_do_not_end_a_transfer() -> None:
    say = short_name_datagrams()
    answer, number, value = say(bytes.fromhex("0501020118")), 1, b""
    while True:
        assert answer[:3] == bytes.fromhex("0c0102")
        value += answer[7:]
        if answer[3]:
            break
        asked = bytes.fromhex(f"050105{number:04x}")
        answer = say(asked)
        assert say(asked) == answer
        number += 1
    assert value.endswith(bytes(range(256)) * 4)
    for block, wanted in (
        ("060107000001010904" + "01020108", "0d01020001"),
        ("060107010002010904" + "010a0178", "0d0100"),
    ):
        assert say(bytes.fromhex(block)) == say(bytes.fromhex(block)) == bytes.fromhex(wanted)
