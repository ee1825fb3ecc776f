"""The reader: any cuts, noise, shared flags, damage, silence, and input made to hurt."""

from __future__ import annotations

import gc
import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdlc.address import Address
from hdlc.errors import Fault
from hdlc.fcs import fcs_octets
from hdlc.frame import Frame, Kind
from hdlc.reader import MAX_PENDING, Damaged, FrameReader
from tests.hdlc.strategies import frames

CLIENT, SERVER = Address(16), Address(1)
DISC = Frame(Kind.DISC, SERVER, CLIENT)
LONG = Frame(Kind.I, SERVER, CLIENT, b"~\xa0\x07\x03\x21\x53\x03\xc7" * 30)
"""Holds what looks like the beginning of DISC, thirty times."""

MIXTURE = st.lists(
    st.one_of(
        frames(40).map(Frame.encode),
        st.binary(max_size=20),
        st.lists(st.sampled_from([0x7E, 0xA0, 0xA7, 0xA8, 7, 3, 0x21]), max_size=20).map(bytes),
        frames(40).map(lambda frame: frame.encode()[:-3]),
        frames(40).map(lambda frame: frame.encode()[1:]),
    ),
    max_size=8,
).map(b"".join)


def items(reader: FrameReader, *pieces: bytes) -> list[Frame | Damaged]:
    found: list[Frame | Damaged] = []
    for piece in pieces:
        reader.feed(piece)
        while (item := reader.next_item()) is not None:
            found.append(item)
    return found


def cut(data: bytes, at: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(at), len(data)])]


@given(st.lists(frames(), min_size=1, max_size=5), st.data())
def test_whole_octet_by_octet_and_at_any_cuts(sent: list[Frame], data: st.DataObject) -> None:
    octets = b"".join(frame.encode() for frame in sent)
    at = data.draw(st.lists(st.integers(0, len(octets)), max_size=10))
    assert items(FrameReader(), octets) == sent
    assert items(FrameReader(), *(bytes((octet,)) for octet in octets)) == sent
    assert items(FrameReader(), *cut(octets, at)) == sent


@given(st.lists(frames(), min_size=1, max_size=5), st.integers(0, 5))
def test_shared_and_idle_flags(sent: list[Frame], idle: int) -> None:
    shared = b"~" + b"~".join(frame.encode()[1:-1] for frame in sent) + b"~"
    reader = FrameReader()
    assert items(reader, shared) == sent
    assert items(FrameReader(), (b"~" * idle).join(frame.encode() for frame in sent)) == sent
    assert (reader.pending, reader.noise_octets, reader.damaged_frames) == (0, 0, 0)


@given(frames(), st.binary(max_size=30).filter(lambda noise: b"~" not in noise), st.binary(max_size=30))
def test_noise_before_and_octets_after(frame: Frame, before: bytes, after: bytes) -> None:
    reader = FrameReader()
    found = items(reader, before + frame.encode() + after)
    assert found[0] == frame
    assert reader.noise_octets >= len(before)


@given(MIXTURE, st.data())
def test_cuts_never_change_what_is_found(octets: bytes, data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, len(octets)), max_size=10))
    whole, pieces, single = FrameReader(), FrameReader(), FrameReader()
    expected = items(whole, octets)
    assert items(pieces, *cut(octets, at)) == expected
    assert items(single, *(bytes((octet,)) for octet in octets)) == expected
    assert whole.noise_octets == pieces.noise_octets == single.noise_octets
    assert whole.pending == pieces.pending == single.pending


@given(MIXTURE)
def test_every_octet_is_accounted_for(octets: bytes) -> None:
    reader = FrameReader()
    found = items(reader, octets)
    reader.drop_partial()
    found += items(reader, b"")
    assert reader.pending == 0
    good = sum(len(item.encode()) - 2 for item in found if isinstance(item, Frame))
    damaged = [item for item in found if isinstance(item, Damaged)]
    assert reader.damaged_frames == len(damaged)
    taken = good + sum(len(item.data) for item in damaged) + reader.noise_octets
    assert 0 <= len(octets) - taken <= octets.count(b"~")


@given(MIXTURE, frames())
def test_a_good_frame_is_found_after_a_silence(octets: bytes, frame: Frame) -> None:
    reader = FrameReader()
    items(reader, octets)
    reader.drop_partial()
    items(reader, b"")
    assert items(reader, frame.encode()) == [frame]


@given(frames(), frames(), st.data())
def test_one_wrong_octet_costs_no_more_than_its_frame(first: Frame, second: Frame, data: st.DataObject) -> None:
    octets = bytearray(first.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    reader = FrameReader()
    found = items(reader, bytes(octets) + second.encode() + b"~" * 2050)
    # A wrong length subfield in a frame without header check may claim octets until the flags end that claim.
    assert [item for item in found if isinstance(item, Frame)][-1] == second


def test_a_flag_inside_the_check_sequence() -> None:
    info = next(
        info
        for number in range(100_000)
        if b"~" in fcs_octets(Frame(Kind.I, SERVER, CLIENT, info := number.to_bytes(4, "big")).encode()[1:-3])
    )
    frame = Frame(Kind.I, SERVER, CLIENT, info)
    assert b"~" in frame.encode()[-3:-1]
    assert items(FrameReader(), frame.encode() * 2) == [frame, frame]


DAMAGES = [
    ("header", DISC.encode()[:3] + b"\x03\x23\x53\x03\xc7~", Fault.FCS),
    ("three octets of address", b"~\xa0\x09\x00\x00\x03\x21\x93\x00\x00~", Fault.ADDRESS),
    ("too short", b"~\xa0\x06\x03\x21\x53~", Fault.LENGTH),
    ("header check", LONG.encode()[:5] + b"\0" + LONG.encode()[6:], Fault.HCS),
    ("frame check", LONG.encode()[:-3] + b"\0\0~", Fault.FCS),
    ("closing flag", LONG.encode()[:-1] + b"x", Fault.FLAG),
]


@pytest.mark.parametrize(("octets", "fault"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_has_a_reason_and_costs_nothing_behind_it(octets: bytes, fault: Fault) -> None:
    reader = FrameReader()
    found = items(reader, octets + DISC.encode())
    assert isinstance(found[0], Damaged)
    assert found[0].fault is fault
    assert found[0].reason
    assert found[-1] == DISC
    assert reader.damaged_frames == len(found) - sum(isinstance(item, Frame) for item in found)


def test_damaged_frame_with_good_header_is_one_item() -> None:
    """What it carries looks like DISC, but is not taken for it."""
    octets = LONG.encode()
    assert items(FrameReader(), octets[:-3] + b"\0\0~" + DISC.encode())[1:] == [DISC]


def test_a_lying_length_is_unmasked_by_what_follows() -> None:
    reader = FrameReader()
    assert items(reader, b"~\xa7\xff" + DISC.encode())[-1] == DISC


def test_incomplete_waits_and_is_visible() -> None:
    reader = FrameReader()
    octets = LONG.encode()
    assert items(reader, octets[:-1]) == []
    assert reader.pending == len(octets) - 2
    assert items(reader, octets[-1:]) == [LONG]
    assert reader.pending == 0


def test_drop_partial() -> None:
    reader = FrameReader()
    assert items(reader, DISC.encode()[:-1]) == []
    reader.drop_partial()
    dropped = reader.next_item()
    assert isinstance(dropped, Damaged)
    assert dropped.fault is Fault.PARTIAL
    assert dropped.data == DISC.encode()[1:-1]
    assert (reader.pending, reader.damaged_frames) == (0, 1)
    assert items(reader, b"~" + DISC.encode()) == [DISC]


def test_drop_partial_finds_what_a_false_start_has_hidden() -> None:
    reader = FrameReader()
    assert items(reader, LONG.encode()[:30].replace(b"~", b"-")[1:].join([b"~", b""]) + DISC.encode()) == []
    reader.drop_partial()
    assert items(reader, b"")[-1] == DISC


def test_drop_partial_forgets_the_closing_flag() -> None:
    reader = FrameReader()
    assert items(reader, DISC.encode()) == [DISC]
    reader.drop_partial()
    assert items(reader, DISC.encode()[1:]) == []
    assert reader.damaged_frames == 0


def header(length: int) -> bytes:
    octets = (0xA000 | length).to_bytes(2, "big") + b"\x03\x21\x10"
    return b"~" + octets + fcs_octets(octets)


HOSTILE = {
    "flags": b"~",
    "flags and zeros": b"~\0",
    "no flags": b"\xa7",
    "densest candidates": b"~\xa7",
    "lying lengths": b"~\xa7\xff",
    "lengths that end at a flag": b"~\xa7\xfd",
    "good headers, no frame": header(2039),
    "short frames, wrong check": b"~\xa0\x07\x03\x21\x93\0\0",
    "frames": LONG.encode(),
}


def seconds(pattern: bytes, size: int) -> float:
    reader = FrameReader()
    data = pattern * (size // len(pattern))
    start = time.process_time()
    for at in range(0, len(data), 4096):
        reader.feed(data[at : at + 4096])
        while reader.next_item() is not None:
            pass
        assert reader.pending < MAX_PENDING
    return time.process_time() - start


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE.keys())
def test_time_grows_with_the_input_only(pattern: bytes) -> None:
    """Eight times the input takes about eight times as long; quadratic behaviour would take 64 times."""
    size = 40_000
    small = min(seconds(pattern, size) for _ in range(3))
    large = seconds(pattern, 8 * size)
    assert large < 24 * small + 0.1


def memory(pattern: bytes) -> tuple[int, int]:
    """(octets held at the end, most octets held) while a reader takes 32 kB of `pattern`."""
    reader = FrameReader()
    piece = pattern * (4096 // len(pattern))
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(8):
            reader.feed(piece)
            while reader.next_item() is not None:
                pass
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE.keys())
def test_memory_stays_at_one_frame(pattern: bytes) -> None:
    """The least of three: what other threads of the process allocate meanwhile is counted too."""
    measured = [memory(pattern) for _ in range(3)]
    assert min(current for current, _ in measured) < 30_000
    assert min(peak for _, peak in measured) < 60_000


def test_ten_megabytes() -> None:
    """Flags, zeros, frames with a good header and a wrong check: what costs one pass at C speed."""
    for name in ("flags", "flags and zeros", "no flags", "good headers, no frame"):
        reader = FrameReader()
        pattern = HOSTILE[name]
        octets = pattern * (10_000_000 // len(pattern))
        reader.feed(octets)
        while reader.next_item() is not None:
            pass
        assert reader.pending < MAX_PENDING
        assert items(reader, b"~" * 2050 + DISC.encode())[-1] == DISC
