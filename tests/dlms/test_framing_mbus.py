"""Wired M-Bus: long frames found in any feeding, damaged ones reported, messages joined from their pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError
from dlms.framing.mbus import MAX_OPEN, Damaged, Frame, FrameReader, Joiner, MbusReader
from dlms.limits import MAX_APDU

FRAME = Frame(0x53, 0xFF, 0x10, bytes.fromhex("0167c0018100010101000001ff0200"))

frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 255), st.integers(0, 0x1F), st.binary(min_size=2, max_size=252)
)


def items(*pieces: bytes) -> tuple[FrameReader, list[Frame | Damaged]]:
    """Everything found in `pieces`, fed one after the other, the line silent at the end."""
    reader, found = FrameReader(), []
    for piece in pieces:
        reader.feed(piece)
        while (item := reader.next_item()) is not None:
            found.append(item)
    while (item := reader.next_item() or reader.drop_partial()) is not None:
        found.append(item)
    return reader, found


def test_one_frame_octet_for_octet() -> None:
    body = bytes.fromhex("53 ff 10 01 67 c0 01 81 00 01 01 01 00 00 01 ff 02 00")
    octets = b"\x68\x12\x12\x68" + body + bytes((sum(body) % 256, 0x16))
    assert FRAME.encode() == octets
    reader, found = items(octets)
    assert found == [FRAME]
    assert (FRAME.carries_dlms, FRAME.final, FRAME.sequence, FRAME.piece) == (True, True, 0, body[5:])
    assert (reader.noise_octets, reader.damaged_frames, reader.pending) == (0, 0, 0)


@given(st.lists(frames, max_size=4), st.data())
def test_any_cuts_give_the_same(sent: list[Frame], data: st.DataObject) -> None:
    octets = b"".join(frame.encode() for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    pieces = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert items(*pieces)[1] == sent
    assert items(*(octets[at : at + 1] for at in range(len(octets))))[1] == sent


@given(frames, st.binary(max_size=20), st.binary(max_size=20))
def test_noise_around_a_frame(frame: Frame, before: bytes, behind: bytes) -> None:
    before, behind = before.replace(b"\x68", b""), behind.replace(b"\x68", b"")
    reader, found = items(before, frame.encode(), behind)
    assert found == [frame]
    assert reader.noise_octets == len(before) + len(behind)


def test_wrong_checksum_is_reported_and_skipped_whole() -> None:
    octets = bytearray(FRAME.encode())
    octets[8] ^= 0x01
    reader, found = items(bytes(octets) + FRAME.encode())
    assert found == [Damaged(bytes(octets), found[0].reason), FRAME]  # type: ignore[union-attr]
    assert "checksum" in found[0].reason  # type: ignore[union-attr]
    assert (reader.damaged_frames, reader.noise_octets) == (1, 0)


def test_lost_octets_do_not_hide_the_next_frame() -> None:
    octets = FRAME.encode()
    reader, found = items(octets[:9] + octets[12:] + octets)
    assert isinstance(found[0], Damaged)
    assert found[-1] == FRAME
    assert reader.damaged_frames == 1


def test_cut_frame_waits_and_is_given_up_when_the_line_is_silent() -> None:
    reader = FrameReader()
    reader.feed(FRAME.encode()[:-1])
    assert reader.next_item() is None
    assert reader.pending == len(FRAME.encode()) - 1
    dropped = reader.drop_partial()
    assert dropped is not None
    assert "stopped" in dropped.reason
    assert (reader.next_item(), reader.damaged_frames) == (None, 1)
    assert reader.drop_partial() is None


def test_false_start_does_not_hide_a_frame_when_the_line_is_silent() -> None:
    _, found = items(b"\x68\xff\xff\x68" + FRAME.encode())
    assert [type(item) for item in found] == [Damaged, Frame]


@given(st.binary(max_size=600))
def test_nothing_raises_and_no_octet_stays(octets: bytes) -> None:
    reader, found = items(octets)
    assert reader.pending == 0
    assert sum(isinstance(item, Damaged) for item in found) == reader.damaged_frames


def test_reading_is_linear_in_false_starts() -> None:
    reader = FrameReader()
    reader.feed(b"\x68\x68\x68\x68" * 20_000)
    steps = 0
    while reader.next_item() is not None:
        steps += 1
    assert steps <= 80_000
    assert reader.pending < 261


def test_messages_of_several_frames() -> None:
    sent = bytes(range(256)) * 3
    reader = MbusReader()
    for number, at in enumerate(range(0, len(sent), 250)):
        last = at + 250 >= len(sent)
        reader.feed(Frame(0x53, 0xFF, number | last << 4, b"\x01\x67" + sent[at : at + 250]).encode())
    assert reader.next_apdu() == (0x01, 0x67, sent)
    assert reader.next_apdu() is None
    assert (reader.joiner.dropped, reader.joiner.unfinished) == (0, 0)


@given(st.integers(1, 40))
def test_piece_numbers_wrap(count: int) -> None:
    joiner = Joiner()
    pieces = [Frame(0x53, 1, at & 0x0F | (at == count - 1) << 4, bytes((1, 2, at))) for at in range(count)]
    done = [joiner.add(piece) for piece in pieces]
    assert done[:-1] == [None] * (count - 1)
    assert done[-1] is not None
    assert done[-1].apdu == bytes(range(count))
    assert done[-1].frames == count


def test_lost_piece_drops_its_message_only() -> None:
    joiner = Joiner()
    assert joiner.add(Frame(0x53, 1, 0x00, b"\1\2a")) is None
    assert joiner.add(Frame(0x53, 1, 0x12, b"\1\2c")) is None
    assert joiner.dropped == 2
    assert joiner.add(Frame(0x53, 1, 0x10, b"\1\2z")) is not None


def test_other_applications_and_unfinished_messages_are_bounded() -> None:
    joiner = Joiner()
    assert joiner.add(Frame(0x08, 1, 0x72, bytes(20))) is None
    assert joiner.dropped == 1
    for address in range(MAX_OPEN + 3):
        joiner.add(Frame(0x53, address, 0x00, b"\1\2a"))
    assert (joiner.unfinished, joiner.dropped) == (MAX_OPEN, 4)
    endless = Joiner()
    for at in range(2 * MAX_APDU):
        endless.add(Frame(0x53, 1, at & 0x0F, b"\1\2"))
    assert endless.unfinished <= MAX_APDU


def test_too_much_for_a_frame_is_refused() -> None:
    assert len(Frame(0, 0, 0, bytes(252)).encode()) == 261
    with pytest.raises(LocalProtocolError):
        Frame(0, 0, 0, bytes(253)).encode()
