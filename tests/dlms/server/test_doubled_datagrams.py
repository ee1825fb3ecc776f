"""A datagram that comes twice: what must happen once happens once, and is answered again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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
from dlms.framing import Peer
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.read import descriptor
from dlms.server import Session
from dlms.server.repeats import MAX_OCTETS, REMEMBERED, REPEAT_S
from tests.dlms import short_name_meter as sn
from tests.dlms.plays import SN, Play
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


def numbered(invoke: int) -> ActionRequestNormal:
    return ActionRequestNormal(0xC0 | invoke, CALL.method, Integer(0))


def test_another_invoke_id_is_another_request() -> None:
    dialogue = Datagrams()
    for invoke in (1, 2, 3):
        dialogue.say(numbered(invoke), WRITER)
    assert len(dialogue.done) == 3


def test_a_copy_that_other_requests_have_overtaken_is_no_other_request() -> None:
    dialogue = Datagrams()
    first = dialogue.say(numbered(1), WRITER)
    for invoke in range(2, 2 + REMEMBERED):
        dialogue.say(GetRequestNormal(0xC0 | invoke, descriptor(ENERGY.value)), WRITER)
        assert dialogue.say(numbered(1), WRITER) == first
    assert len(dialogue.done) == 1


@pytest.mark.parametrize("lost", range(4))
def test_a_client_that_comes_round_to_the_same_request_is_heard(lost: int) -> None:
    """Also where some of its requests in between were lost."""
    dialogue = Datagrams()
    dialogue.say(numbered(1), WRITER)
    for invoke in range(2 + lost, 16):
        dialogue.say(GetRequestNormal(0xC0 | invoke, descriptor(ENERGY.value)), WRITER)
    dialogue.say(numbered(1), WRITER)
    assert len(dialogue.done) == 2


def test_a_client_that_always_says_the_same_number_switches_on_and_off_and_on() -> None:
    dialogue = Datagrams()
    for number in (1, 2, 1):
        dialogue.say(SetRequestNormal(0xC1, SET.attribute, None, DoubleLongUnsigned(number)), WRITER)
    assert dialogue.done == [1, 2, 1]


def test_a_released_association_is_forgotten() -> None:
    """Who opens it again and begins with the same request wants it done."""
    dialogue = Datagrams()
    for _ in range(2):
        dialogue.open(WRITER, ALL, 100)
        dialogue.say(CALL, WRITER)
        dialogue.say(Rlrq(0), WRITER)
    assert len(dialogue.done) == 2


def test_a_copy_of_the_aarq_does_not_make_anything_happen_twice() -> None:
    dialogue = Datagrams()
    dialogue.say(CALL, WRITER)
    dialogue.open(WRITER, ALL, 100)
    dialogue.say(CALL, WRITER)
    assert len(dialogue.done) == 1


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
    answer = dialogue.say(block, WRITER)
    dialogue.say(block, WRITER)
    assert len(dialogue.done) == 1
    dialogue.say(GetRequestNormal(0xC2, descriptor(ENERGY.value)), WRITER)
    assert dialogue.say(block, WRITER) == answer
    assert len(dialogue.done) == 1
    dialogue.say(GeneralBlockTransfer(0x81, 1, 0, encode(dataclasses.replace(SET, invoke=0xC3))), WRITER)
    assert len(dialogue.done) == 2


def test_blocks_that_seem_to_be_of_the_last_transfer_and_are_of_another() -> None:
    """Of a client that always says the same invoke-id: its values begin alike, and end alike."""
    dialogue = Datagrams(conformance=ALL & ~Conformance.GENERAL_BLOCK_TRANSFER)
    for middle in (b"b", b"B", b"b"):
        dialogue.say(
            SetRequestWithFirstDatablock(0xC1, descriptor(NAME.value), None, DataBlock(False, 1, b"\x09\x03a")), WRITER
        )
        dialogue.say(SetRequestWithDatablock(0xC1, DataBlock(False, 2, middle)), WRITER)
        answer = dialogue.twice(SetRequestWithDatablock(0xC1, DataBlock(True, 3, b"c")))
        assert answer == bytes.fromhex("c503c10000000003")
    assert dialogue.done == [b"abc", b"aBc", b"abc"]


def test_an_aarq_or_a_release_that_comes_twice() -> None:
    dialogue = Datagrams()
    assert dialogue.twice(proposal(WRITER)) is not None
    assert dialogue.is_associated(WRITER)
    assert dialogue.twice(Rlrq(0)) == bytes.fromhex("6303800100")
    assert not dialogue.is_associated(WRITER)
    dialogue.open(WRITER)


def test_what_is_remembered_is_bounded() -> None:
    """Nothing of who has no association here; so many requests, so many octets, and nothing for ever."""
    dialogue = Datagrams()
    for client in range(1000, 1100):
        dialogue.session.receive_data(wrap(client, SERVER, proposal(WRITER)), 0.0)
    assert len(dialogue.session.data_to_send()) == 100
    assert dialogue.session._peers.keys() == {(WRITER, SERVER, None), (READER, SERVER, None)}
    repeats = dialogue.session._peers[Peer(WRITER, SERVER)].repeats
    assert repeats is not None
    for number in range(100):
        dialogue.say(SetRequestNormal(0xC0 | number % 16, SET.attribute, None, DoubleLongUnsigned(number)), WRITER)
    assert len(repeats) == REMEMBERED
    assert repeats.octets < 1000
    for number in range(5):
        dialogue.say(SetRequestNormal(0xC0 | number, descriptor(NAME.value), None, bytes(60_000)), WRITER)
    assert 1 <= len(repeats) < 5
    assert repeats.octets <= MAX_OCTETS
    dialogue.now += REPEAT_S
    dialogue.say(CALL, WRITER)
    assert len(repeats) == 1


def test_over_a_stream_nothing_is_remembered() -> None:
    dialogue = Datagrams(reliable=True)
    dialogue.say(CALL, WRITER)
    assert [one.repeats for one in dialogue.session._peers.values()] == [None, None]


# --- short names have no invoke-id ----------------------------------------------------------------------------------


class ShortNameDatagrams:
    """A meter with short names over datagrams, and the parameters that its energy's reset was called with."""

    def __init__(self) -> None:
        served = sn.device()
        self.calls: list[Any] = []
        held: Any = served.store
        held.methods[sn.ENERGY.reset] = self.calls.append
        self.session = Session({None: served}, WrapperServer(datagrams=True))

    def say(self, apdu: bytes, now: float = 0.0) -> bytes:
        """The answer to an APDU."""
        self.session.receive_data(wrap(sn.PUBLIC, sn.SERVER, apdu), now)
        return b"".join(self.session.data_to_send())[HEADER.size :]


def short_name_datagrams() -> tuple[ShortNameDatagrams, Callable[..., bytes]]:
    served = ShortNameDatagrams()
    served.say(encode(aarq(AssociationRequest(context=sn.SN, max_receive=60))))
    return served, served.say


RESET, OTHER = bytes.fromhex("0601020158010f01"), bytes.fromhex("0601020158010f02")
"""Two calls of the energy's reset by Write."""
READ = bytes.fromhex("0501020138")


@pytest.mark.parametrize(
    "request_", ["0601020158010f01", "1601020158010f01", "0501040158000f01"], ids=["write", "unconfirmed", "read"]
)
def test_a_call_with_a_short_name_that_comes_twice(request_: str) -> None:
    served, say = short_name_datagrams()
    assert say(bytes.fromhex(request_)) == say(bytes.fromhex(request_))
    assert served.calls == [1]


def test_a_write_with_a_short_name_is_another_one_after_another_request_or_a_while() -> None:
    served, say = short_name_datagrams()
    for request in (RESET, OTHER, RESET, READ, RESET, RESET):
        say(request)
    assert served.calls == [1, 2, 1, 1]
    say(RESET, REPEAT_S - 0.01)
    assert len(served.calls) == 4
    say(RESET, REPEAT_S)
    assert len(served.calls) == 5


def test_a_part_of_an_attribute_is_read_afresh() -> None:
    """A Read with parameters may call a method, but need not."""
    served, say = short_name_datagrams()
    part = bytes.fromhex("0501040138000f01")
    assert say(part) == say(part)
    assert served.calls == []
    repeats = served.session._peers[Peer(sn.PUBLIC, sn.SERVER)].repeats
    assert len(repeats) == 0


@pytest.mark.parametrize(("datagrams", "writes", "reads"), [(True, 3, 1), (False, 3, 0)])
def test_our_client_reads_between_two_equal_calls(datagrams: bool, writes: int, reads: int) -> None:
    play = Play(
        SN,
        lambda client: WrapperClient(client, SERVER, datagrams=datagrams),
        lambda: WrapperServer(datagrams=datagrams),
        overtakes=datagrams,
    )
    assert play.open()
    play.step("get")
    play.line.carried.clear()
    for number in (1, 1, 2):
        play.finish(play.connection.start(play.operation("call", number), play.line.now))
    assert play.store.ran == {1: 2, 2: 1}
    tags = [octets[HEADER.size] for name, octets in play.line.carried if name == "near"]
    assert (tags.count(0x06), tags.count(0x05)) == (writes, reads)


def test_blocks_with_short_names_that_come_twice_do_not_end_a_transfer() -> None:
    _, say = short_name_datagrams()
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


def test_a_write_in_blocks_with_a_short_name_is_the_same_if_all_its_blocks_are() -> None:
    served, say = short_name_datagrams()
    first, middle, last = "060107000001010904" + "01020158", "060107000002010902" + "010f", "060107010003010901" + "{}"

    def write(parameter: str) -> None:
        for block in (first, middle, last.format(parameter)):
            assert say(bytes.fromhex(block))[:2] == b"\x0d\x01"

    write("01")
    write("01")
    assert served.calls == [1]
    write("02")
    write("01")
    assert served.calls == [1, 2, 1]
    say(RESET)
    write("01")
    say(RESET)
    assert served.calls == [1, 2, 1, 1, 1, 1]
