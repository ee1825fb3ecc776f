"""Captures with frames and blocks that are repeated, missing or in disorder: nothing is put together wrongly."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import Aarq
from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.codec import encode
from dlms.data import encode as encode_data
from dlms.decode import Decoded, decode
from dlms.decode.text import tree
from dlms.framing import mbus
from dlms.framing.wrapper import wrap
from hdlc import Address, Frame, Kind
from tests.dlms.decode.test_recognise import CLIENT, GET, METER, REPLY, SAMPLES, answer

LLC = b"\xe6\xe7\x00"
LONG = bytes.fromhex("c401c200") + encode_data(bytes(range(60)))
"""A get-response-normal with an octet-string."""
ZEROS = bytes.fromhex("c401c200") + encode_data(bytes(200))


def numbered(number: int, info: bytes, segmented: bool = False) -> bytes:
    return Frame(Kind.I, CLIENT, METER, info, number % 8, segmented=segmented).encode()


def segments(apdu: bytes, size: int, first: int = 0) -> list[bytes]:
    """The frames of a message, numbered from `first` on."""
    info = LLC + apdu
    parts = [info[at : at + size] for at in range(0, len(info), size)]
    return [numbered(first + at, part, at < len(parts) - 1) for at, part in enumerate(parts)]


def in_order(frames: list[bytes], *order: int) -> bytes:
    return b"".join(frames[at] for at in order)


def connect() -> bytes:
    return Frame(Kind.SNRM, METER, CLIENT).encode() + Frame(Kind.UA, CLIENT, METER).encode()


def notes(found: Decoded) -> list[str]:
    return [note for layer in found.layers for note in layer.notes]


def joined(found: Decoded) -> list[str]:
    return [layer.fields["octets"] for layer in found.layers if layer.kind == "reassembled"]


FIVE = segments(LONG, 14)


@pytest.mark.parametrize(
    "order",
    [
        (0, 0, 1, 2, 3, 4),
        (0, 1, 1, 1, 2, 3, 4),
        (0, 1, 2, 3, 4, 4),
        (0, 1, 2, 1, 2, 3, 4),
        (0, 1, 2, 3, 4, 2, 3, 4),
    ],
)
@pytest.mark.parametrize("begin", [b"", connect()], ids=["from the middle", "from the start"])
def test_repeated_segments_are_left_out(order: tuple[int, ...], begin: bytes) -> None:
    assert len(FIVE) == 5
    found = decode(begin + in_order(FIVE, *order))
    assert (found.ok, found.incomplete, found.undecoded) == (True, False, False)
    assert joined(found) == [(LLC + LONG).hex()]
    assert found.value["apdu"] == "get-response-normal"
    assert sum("came before" in note for note in notes(found)) == len(order) - 5


def test_the_note_stands_at_the_repeated_frame() -> None:
    found = decode(in_order(FIVE, 0, 1, 1, 2, 3, 4))
    assert [layer.notes for layer in found.layers[:4]] == [
        [],
        [],
        ["N(S) 1: this frame came before, and is left out"],
        [],
    ]


@pytest.mark.parametrize(
    ("order", "missing"),
    [
        ((0, 2, 3, 4), 1),
        ((0, 1, 2, 4), 3),
        ((0, 2, 1, 3, 4), 1),
        ((0, 1, 3, 2, 4), 2),
        ((0, 4, 3, 2, 1), 1),
        ((0, 4), 1),
    ],
)
def test_a_gap_or_disorder_in_a_message_is_an_error(order: tuple[int, ...], missing: int) -> None:
    found = decode(in_order(FIVE, *order))
    assert found.error is not None
    assert f"N(S) {missing} is missing" in found.error
    assert joined(found) == []
    assert not any(layer.kind == "apdu" for layer in found.layers)
    wrong = next(at for at, segment in enumerate(order) if segment != at)
    assert [layer.error is not None for layer in found.layers[: wrong + 1]] == [False] * wrong + [True]


def test_a_message_whose_first_segment_is_missing_behind_another() -> None:
    found = decode(connect() + in_order(FIVE, 1, 2, 3, 4))
    assert found.error == "HDLC: N(S) 0 is missing before N(S) 1 in a segmented message"
    assert joined(found) == []


def test_the_same_number_with_other_content_is_an_error() -> None:
    other = numbered(1, b"other", segmented=True)
    found = decode(FIVE[0] + FIVE[1] + other + in_order(FIVE, 2, 3, 4))
    assert found.error == "HDLC: N(S) 2 is missing before N(S) 1 in a segmented message"
    assert joined(found) == []


def test_what_follows_a_broken_message_is_read() -> None:
    follows = segments(LONG, 20, first=5)
    found = decode(in_order(FIVE, 0, 2, 3, 4) + b"".join(follows))
    assert not found.ok
    assert joined(found) == [(LLC + LONG).hex()]
    cut = decode(in_order(FIVE, 0, 1) + b"".join(follows))
    assert "N(S) 2 is missing" in str(cut.error)
    assert joined(cut) == [(LLC + LONG).hex()]


def test_numbers_begin_anew_behind_a_connection() -> None:
    twice = connect() + b"".join(FIVE) + connect() + b"".join(FIVE)
    found = decode(twice)
    assert (found.ok, notes(found)) == (True, [])
    assert len(found.value) == 2
    left = decode(connect() + in_order(FIVE, 0, 1) + connect() + b"".join(FIVE))
    assert (left.ok, left.incomplete) == (True, True)
    assert joined(left) == [(LLC + LONG).hex()]


def test_equal_segments_behind_a_gap_are_not_taken_for_repeated_ones() -> None:
    """Long runs of zeros: the numbers alone say where a segment belongs."""
    frames = segments(ZEROS, 16)
    assert decode(b"".join(frames)).ok
    for at in range(1, len(frames) - 1):
        found = decode(b"".join(frames[:at] + frames[at + 1 :]))
        assert f"N(S) {at % 8} is missing" in str(found.error), at
        assert joined(found) == []


def test_repeated_messages_are_not_second_ones() -> None:
    request = Frame(Kind.I, METER, CLIENT, b"\xe6\xe6\x00" + GET).encode()
    again = Frame(Kind.I, METER, CLIENT, b"\xe6\xe6\x00" + GET, receive_sequence=1).encode()
    reply = numbered(0, LLC + REPLY)
    found = decode(request + again + reply + reply)
    assert found.ok
    assert [value["apdu"] for value in found.value] == ["get-request-normal", "get-response-normal"]
    assert sum("came before" in note for note in notes(found)) == 2


def test_a_gap_between_messages_is_told() -> None:
    found = decode(numbered(2, LLC + REPLY) + numbered(7, LLC + REPLY))
    assert (found.ok, len(found.value)) == (True, 2)
    assert notes(found) == ["N(S) 3 is missing before N(S) 7"]


def test_senders_have_numbers_of_their_own() -> None:
    other = [Frame(Kind.I, CLIENT, Address(1, 18), REPLY + bytes((at,)), at).encode() for at in range(3)]
    mixed = b"".join(itertools.chain(*zip(FIVE, other, strict=False))) + in_order(FIVE, 3, 4)
    assert joined(decode(mixed)) == [(LLC + LONG).hex()]
    assert not any("N(S)" in note for note in notes(decode(mixed)))


@given(st.lists(st.integers(0, 4), max_size=12))
def test_no_order_of_segments_gives_another_message(order: list[int]) -> None:
    found = decode(connect() + in_order(FIVE, *order), kind="hdlc")
    assert set(joined(found)) <= {(LLC + LONG).hex()}
    if not joined(found) and set(order) - {4}:
        assert found.incomplete or not found.ok


@pytest.mark.parametrize(
    "octets",
    [
        in_order(FIVE, 0, 1),
        Frame(Kind.UI, CLIENT, METER, LLC + REPLY[:5], segmented=True).encode(),
        encode(GeneralBlockTransfer(1, 1, 0, REPLY[:5])),
        wrap(1, 16, encode(GeneralBlockTransfer(0x81, 2, 0, REPLY[5:]))),
        mbus.Frame(0x53, 0xFF, 0x00, b"\x01\x67" + GET[:4]).encode(),
        mbus.Frame(0x53, 0xFF, 0x11, b"\x01\x67" + GET[4:]).encode(),
    ],
    ids=["I", "UI", "block", "last block", "M-Bus", "last M-Bus"],
)
def test_what_has_not_ended_is_incomplete(octets: bytes) -> None:
    found, shown = decode(octets), answer(octets)
    assert (found.ok, found.incomplete, found.undecoded) == (True, True, False)
    assert (shown["ok"], shown["incomplete"], "undecoded" in shown) == (True, True, False)
    assert any(line.startswith("incomplete: ") for line in tree(found))


@pytest.mark.parametrize(
    "octets",
    [
        numbered(0, LLC + REPLY[:-1]),
        numbered(0, b"\x02\x01"),
        wrap(1, 3, b"\xaa\xbb"),
        mbus.Frame(8, 1, 0x10, b"\1\2\xaa").encode(),
        encode(Aarq(user_information=b"\x01\x00")),
    ],
    ids=["cut", "none", "wrapper", "M-Bus", "user-information"],
)
def test_what_is_no_apdu_is_undecoded(octets: bytes) -> None:
    found, shown = decode(octets), answer(octets)
    assert (found.ok, found.incomplete, found.undecoded) == (True, False, True)
    assert (shown["ok"], shown["undecoded"], "incomplete" in shown) == (True, True, False)
    assert any(line.startswith("undecoded: ") for line in tree(found))


@pytest.mark.parametrize("kind", SAMPLES)
def test_nothing_is_missing(kind: str) -> None:
    found, shown = decode(SAMPLES[kind]), answer(SAMPLES[kind])
    assert (found.incomplete, found.undecoded) == (False, False)
    assert not {"incomplete", "undecoded"} & shown.keys()


def test_an_error_does_not_hide_what_is_missing() -> None:
    octets = bytearray(SAMPLES["hdlc"])
    octets[-2] ^= 0xFF
    shown = answer(bytes(octets) + in_order(FIVE, 0, 1))
    assert (shown["ok"], shown["incomplete"]) == (False, True)


def block(number: int, data: bytes, last: bool = False) -> bytes:
    return wrap(1, 16, encode(GeneralBlockTransfer(last << 7 | 1, number, 0, data)))


BLOCKS = [block(at + 1, REPLY[at * 5 : at * 5 + 5], last=at == 3) for at in range(4)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 0, 1, 2, 2, 3), (0, 2, 3, 1, 2, 3), (0, 1, 2, 3, 2, 3)])
def test_blocks_that_all_come(order: tuple[int, ...]) -> None:
    """Also those of a window in which one was lost, which is sent again from there on."""
    found = decode(in_order(BLOCKS, *order))
    assert (found.ok, found.incomplete) == (True, False)
    assert joined(found) == [REPLY.hex()]
    assert found.value["apdu"] == "get-response-normal"


@pytest.mark.parametrize(
    ("order", "missing"), [((0, 2, 3), 2), ((0, 3), 2), ((0, 1, 3), 3), ((1, 3), 3), ((0, 2, 3, 0, 1, 2, 3), 0)]
)
def test_a_gap_in_blocks_is_an_error(order: tuple[int, ...], missing: int) -> None:
    """Unless the sender goes back to it: then all of them come, and one before the gap is just repeated."""
    found = decode(in_order(BLOCKS, *order))
    assert found.error == (f"general-block-transfer: block {missing} is missing" if missing else None)
    assert joined(found) == ([] if missing else [REPLY.hex()])


def test_blocks_of_two_transfers_are_not_mixed() -> None:
    other = [block(at + 1, bytes((at,)) * 5, last=at == 3) for at in range(4)]
    mixed = decode(in_order(BLOCKS, 0, 1) + in_order(other, 1, 2, 3))
    assert mixed.error == "general-block-transfer: block 2 came before, with other content"
    assert joined(mixed) == []
    begun: Any = decode(in_order(other, 0, 1) + in_order(BLOCKS, 0, 1, 2, 3))
    assert (begun.ok, begun.incomplete) == (True, True)
    assert joined(begun) == [REPLY.hex()]
    lost = decode(in_order(other, 0, 2) + in_order(BLOCKS, 0, 1, 2, 3))
    assert lost.error == "general-block-transfer: block 2 is missing"
    assert joined(lost) == [REPLY.hex()]


def test_blocks_without_data() -> None:
    """They acknowledge; the last one of a transfer breaks it off."""
    acknowledgement = wrap(16, 1, encode(GeneralBlockTransfer(0x81, 5, 1, b"")))
    found = decode(BLOCKS[0] + acknowledgement + BLOCKS[1] + acknowledgement + in_order(BLOCKS, 2, 3))
    assert (found.ok, found.incomplete, notes(found)) == (True, False, [])
    assert found.value[-1]["apdu"] == "get-response-normal"
    broken_off = decode(BLOCKS[0] + block(2, b"", last=True))
    assert (broken_off.ok, broken_off.incomplete) == (True, True)
    assert "the sender breaks the transfer off" in notes(broken_off)
