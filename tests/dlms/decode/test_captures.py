"""Capture files: both formats, every link, TCP in any order, and files that are cut or lie."""

from __future__ import annotations

import io
import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import GeneralBlockTransfer
from dlms.cli.app import execute
from dlms.codec import encode
from dlms.decode import conversations, decode
from dlms.decode.conversations import Capture, Conversation, moment, read_capture
from dlms.decode.pcap import MAX_BLOCK, Packets
from dlms.errors import DecodeError
from dlms.framing.wrapper import wrap
from tests.dlms.capture_files import (
    CLIENT,
    COOKED,
    COOKED_2,
    ETHERNET,
    LOOPBACK,
    METER,
    RAW,
    Talk,
    block,
    ethernet,
    ip,
    pcap,
    pcapng,
    tcp,
    udp,
)
from tests.dlms.decode.test_recognise import GET, hdlc

ANSWER = bytes.fromhex("c401c1000600000c34")
ASKED, ANSWERED = wrap(16, 1, GET), wrap(1, 16, ANSWER)
WRAPPED = Talk().say(CLIENT, ASKED).say(METER, ANSWERED)
BOTH = {"pcap": pcap, "pcapng": pcapng}


def read(content: bytes) -> Capture:
    return read_capture(io.BytesIO(content))


def only(content: bytes) -> Conversation:
    """The one conversation of a file without a problem."""
    capture = read(content)
    assert capture.problem is None
    [found] = capture.conversations
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("link", [ETHERNET, RAW, LOOPBACK, COOKED, COOKED_2])
@pytest.mark.parametrize("form", BOTH)
def test_both_formats_in_both_byte_orders_on_every_link(form: str, link: int, order: str) -> None:
    found = only(BOTH[form](WRAPPED.packets, link, order))
    assert (found.transport, found.ends) == ("tcp", ("10.0.0.2:50000", "10.0.0.7:4059"))
    assert found.octets == ASKED + ANSWERED
    assert [(one.offset, one.length, one.packet, one.sender) for one in found.chunks] == [
        (0, len(ASKED), 3, "10.0.0.2:50000"),
        (len(ASKED), len(ANSWERED), 4, "10.0.0.7:4059"),
    ]
    assert [moment(one.time_s) for one in found.chunks] == [
        "2026-01-01T00:00:00.020000+00:00",
        "2026-01-01T00:00:00.030000+00:00",
    ]
    assert decode(bytes(found.octets)).ok


def test_other_kinds_of_packet_blocks_and_times() -> None:
    assert only(pcapng(WRAPPED.packets, kind=2)).octets == ASKED + ANSWERED
    simple = only(pcapng(WRAPPED.packets, kind=3))
    assert simple.octets == ASKED + ANSWERED
    assert simple.chunks[0].time_s is None
    assert simple.to_json()["messages"][0]["time"] is None
    assert only(pcap(WRAPPED.packets, nano=True)).chunks[0].time_s == pytest.approx(1_767_225_600.02)
    two = pcapng(WRAPPED.packets[:3], order="<") + pcapng(WRAPPED.packets[3:], order=">")
    assert only(two).octets == ASKED + ANSWERED


def test_vlan_tags_ipv6_and_its_options() -> None:
    tagged = pcap([], ETHERNET) + b"".join(
        struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
        for frame in (ethernet(one, 0x88A8, 0x8100) for one in WRAPPED.packets)
    )
    assert only(tagged).octets == ASKED + ANSWERED
    six = ("fe80::1", 50000), ("fe80::2", 4059)
    talk = [tcp(*six, 1, ASKED, extended=True)]
    found = only(pcap(talk))
    assert found.octets == ASKED
    assert found.ends == ("[fe80::1]:50000", "[fe80::2]:4059")


def test_udp_and_several_conversations() -> None:
    other = ("10.0.0.9", 4059)
    datagrams = [udp(CLIENT, METER, ASKED), udp(CLIENT, other, ASKED), udp(METER, CLIENT, ANSWERED)]
    capture = read(pcap(datagrams + WRAPPED.packets))
    shown = [(one.transport, bytes(one.octets)) for one in capture.conversations]
    assert shown == [("udp", ASKED + ANSWERED), ("udp", ASKED), ("tcp", ASKED + ANSWERED)]


def test_what_is_no_dlms_is_counted_and_left_out() -> None:
    http = Talk(("10.0.0.2", 50001), ("10.0.0.9", 80)).say(("10.0.0.2", 50001), b"GET / HTTP/1.1\r\n\r\n")
    arp = pcap([], ETHERNET) + struct.pack("<IIII", 0, 0, 42, 42) + bytes(12) + b"\x08\x06" + bytes(28)
    assert read(arp).conversations == []
    capture = read(pcap([*http.packets, *WRAPPED.packets, ip("10.0.0.1", "10.0.0.2", 1, b"ping")]))
    assert (len(capture.conversations), capture.others, capture.packets) == (1, 1, 8)


def test_segments_of_hdlc_of_both_ends_are_joined() -> None:
    """Frames cut over TCP segments, messages cut over frames, two senders in turn."""
    request, answer = hdlc(b"\xe6\xe6\x00" + GET), hdlc(b"\xe6\xe7\x00" + ANSWER, number=0)
    talk = Talk()
    for _ in range(3):
        talk.say(CLIENT, request, 5).say(METER, answer, 7)
    found = only(pcap(talk.packets))
    assert found.octets == (request + answer) * 3
    assert [one.length for one in found.chunks] == [len(request), len(answer)] * 3


def test_blocks_over_several_messages_are_joined() -> None:
    parts = [encode(GeneralBlockTransfer(c, n, 0, p)) for c, n, p in ((1, 1, ANSWER[:4]), (0x81, 2, ANSWER[4:]))]
    talk = Talk().say(METER, wrap(1, 16, parts[0])).say(CLIENT, ASKED).say(METER, wrap(1, 16, parts[1]))
    decoded = decode(bytes(only(pcapng(talk.packets)).octets))
    assert decoded.ok
    assert "reassembled" in [layer.kind for layer in decoded.layers]


@given(st.randoms(use_true_random=False), st.integers(1, 40), st.sampled_from(tuple(BOTH)))
def test_tcp_in_any_order_with_repetitions(chance: random.Random, size: int, form: str) -> None:
    """Each end's octets come out in order, whatever the network does within a window; numbers wrap round."""
    messages = [wrap(16, 1, GET), *(wrap(16, 1, bytes((number,)) * 9) for number in range(8))]
    talk = Talk().say(CLIENT, b"".join(messages), size)
    opening, rest = talk.packets[:2], talk.packets[2:]
    mixed = [one for one in rest for _ in range(chance.choice((1, 1, 1, 2)))]
    for start in range(0, len(mixed), 6):
        window = mixed[start : start + 12]
        chance.shuffle(window)
        mixed[start : start + 12] = window
    found = only(BOTH[form](opening + mixed))
    assert found.problems == []
    assert found.octets == b"".join(messages)
    assert [one.length for one in found.chunks] == [len(one) for one in messages]


def test_a_repetition_with_more_and_one_that_overlaps() -> None:
    whole = ASKED + ASKED
    talk = [tcp(CLIENT, METER, 100, whole[:10]), tcp(CLIENT, METER, 95, bytes(5) + whole[:20])]
    talk += [tcp(CLIENT, METER, 115, whole[15:]), tcp(CLIENT, METER, 99, b"x")]
    assert only(pcap(talk)).octets == whole


def test_a_gap_is_told_and_what_is_behind_it_is_read() -> None:
    talk = Talk().say(CLIENT, ASKED * 4, len(ASKED))
    del talk.packets[4]
    found = only(pcap(talk.packets))
    assert found.octets == ASKED * 3
    assert found.problems == [f"{len(ASKED)} octets of 10.0.0.2:50000 are missing before packet 5"]


def test_a_gap_within_a_message_leaves_its_pieces() -> None:
    talk = Talk().say(CLIENT, ASKED, 7).say(CLIENT, ASKED)
    del talk.packets[3]
    found = only(pcap(talk.packets))
    assert found.octets == ASKED[:7] + ASKED[14:] + ASKED
    assert len(found.problems) == 1
    assert not decode(bytes(found.octets)).ok


def test_packets_that_were_not_kept_whole() -> None:
    found = only(pcap(WRAPPED.packets, keep=14 + 24 + 24 + 10))
    assert [one for one in found.problems if "not kept whole" in one]
    assert found.octets[:10] == ASKED[:10]
    cut = only(pcap([udp(CLIENT, METER, ASKED)], keep=14 + 24 + 8 + 10))
    assert cut.problems == ["packet 1 was not kept whole"]


def test_a_port_that_is_used_again_is_another_conversation() -> None:
    again = Talk(sequence=5).say(CLIENT, ASKED)
    capture = read(pcap(WRAPPED.packets + again.packets))
    assert [bytes(one.octets) for one in capture.conversations] == [ASKED + ANSWERED, ASKED]


def test_a_capture_that_begins_in_the_middle() -> None:
    assert only(pcap(WRAPPED.packets[2:])).octets == ASKED + ANSWERED


def test_fragments_of_ip_are_left_out() -> None:
    part = ip(CLIENT[0], METER[0], 17, struct.pack(">HHHH", 50000, 4059, 8 + len(ASKED), 0) + ASKED, fragment=0x2000)
    assert read(pcap([part])).conversations == []


# --- files that are cut, or lie -----------------------------------------------------------------------------------------


def ends(content: bytes, form: str) -> set[int]:
    """Where a file may end: behind its header, and behind each packet or block."""
    at, found = (24 if form == "pcap" else 0), set[int]()
    while at <= len(content):
        found.add(at)
        head = content[at : at + 16].ljust(16, b"\0")
        at += (
            16 + struct.unpack_from("<I", head, 8)[0]
            if form == "pcap"
            else max(12, struct.unpack_from("<I", head, 4)[0])
        )
    return found - {0}


@pytest.mark.parametrize("form", BOTH)
def test_a_file_that_is_cut_anywhere(form: str) -> None:
    """What is whole is read, and what is missing told; the first octets alone are no capture file."""
    content = BOTH[form](WRAPPED.packets)
    whole, good = only(content), ends(content, form)
    assert len(content) in good
    for size in range(4, len(content)):
        capture = read(content[:size])
        assert (capture.problem is None) == (size in good), size
        for one in capture.conversations:
            assert whole.octets.startswith(one.octets)
    for size in range(4):
        with pytest.raises(DecodeError, match="no capture file"):
            read(content[:size])


@given(st.data(), st.sampled_from(tuple(BOTH)))
def test_a_file_with_wrong_octets_gives_packets_or_our_error(data: st.DataObject, form: str) -> None:
    content = bytearray(BOTH[form](WRAPPED.packets))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    try:
        capture = read(bytes(content))
    except DecodeError:
        return
    for one in capture.conversations:
        assert sum(chunk.length for chunk in one.chunks) == len(one.octets)
        json.dumps(one.to_json())


@given(st.binary(max_size=200), st.sampled_from(("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "0a0d0d0a")))
def test_any_octets_behind_a_magic_number(noise: bytes, magic: str) -> None:
    read(bytes.fromhex(magic) + noise)


@given(st.binary(max_size=80), st.sampled_from((ETHERNET, RAW, LOOPBACK, COOKED, COOKED_2, 147)))
def test_any_octets_in_a_packet(noise: bytes, link: int) -> None:
    head = pcap([], link)
    read(head + struct.pack("<IIII", 0xFFFF_FFFF, 0xFFFF_FFFF, len(noise), 0xFFFF_FFFF) + noise)


def test_sizes_that_lie_cost_nothing() -> None:
    head = pcap([])
    for size in (MAX_BLOCK + 1, 0xFFFF_FFFF):
        capture = read(head + struct.pack("<IIII", 0, 0, size, size) + bytes(100))
        assert capture.problem is not None
        assert "announced" in capture.problem
    section = pcapng([])
    for size in (0, 4, 11, 13, MAX_BLOCK + 4, 0xFFFF_FFFC):
        capture = read(section + struct.pack("<II", 6, size) + bytes(100))
        assert capture.problem is not None
    unknown, longer = struct.pack("<IIIII", 9, 0, 0, 4, 4), struct.pack("<IIIII", 0, 0, 0, 99, 99)
    for body, told in ((unknown, "interface"), (b"", "fields"), (longer, "packet of 99")):
        problem = read(section + block(6, body)).problem
        assert problem is not None
        assert told in problem


def test_a_stream_that_waits_for_ever_is_bounded() -> None:
    """Segments with gaps between them are given up in order; memory does not grow with their number."""
    talk = [tcp(CLIENT, METER, 0, ASKED)]
    talk += [tcp(CLIENT, METER, 1000 + 100 * number, ASKED) for number in range(3 * conversations.MAX_SEGMENTS)]
    found = only(pcap(talk))
    assert found.octets == ASKED * (1 + 3 * conversations.MAX_SEGMENTS)
    assert len(found.problems) == conversations.MAX_PROBLEMS


def test_bounds_of_conversations_and_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_CONVERSATIONS", 2)
    many = [udp(("10.0.0.2", port), METER, ASKED) for port in range(1, 5)]
    capture = read(pcap(many))
    assert len(capture.conversations) == 2
    assert capture.problem == "too much is captured: left out from packet 3 on"
    monkeypatch.setattr(conversations, "MAX_CAPTURED", 3 * len(ASKED))
    assert read(pcap([udp(CLIENT, METER, ASKED)] * 5)).problem is not None
    monkeypatch.undo()
    monkeypatch.setattr(conversations, "MAX_TRANSFER", 2 * len(ASKED))
    found = only(pcap([udp(CLIENT, METER, ASKED)] * 5))
    assert found.octets == ASKED * 2
    assert "left out" in found.problems[0]


def test_packets_are_read_once_and_counted() -> None:
    packets = Packets(io.BytesIO(pcap(WRAPPED.packets)))
    assert [one.number for one in packets] == [1, 2, 3, 4]
    assert packets.count == 4
    assert moment(1e30) is None


# --- the command --------------------------------------------------------------------------------------------------------


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = execute(["decode", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_command_tells_of_each_conversation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.pcapng"
    file.write_bytes(pcapng([*WRAPPED.packets, udp(CLIENT, METER, ASKED)]))
    code, out, err = run([str(file)], capsys)
    assert (code, err) == (0, "")
    assert "tcp 10.0.0.2:50000 - 10.0.0.7:4059, packets 3 to 4\n" in out
    assert "packet 4 of 10.0.0.7:4059 at 2026-01-01T00:00:00.030000+00:00\nwrapper  (offset 21, length 17)" in out
    assert "udp 10.0.0.2:50000 - 10.0.0.7:4059, packets 5 to 5\n" in out
    code, out, _ = run([str(file), "--json"], capsys)
    first, second = map(json.loads, out.splitlines())
    assert first["capture"]["ends"] == ["10.0.0.2:50000", "10.0.0.7:4059"]
    assert first["capture"]["messages"][1] == {
        "offset": 21,
        "length": 17,
        "packet": 4,
        "time": "2026-01-01T00:00:00.030000+00:00",
        "sender": "10.0.0.7:4059",
    }
    assert [layer["kind"] for layer in first["layers"]] == ["wrapper", "apdu"] * 2
    assert second["capture"]["transport"] == "udp"
    _, out, _ = run([str(file), "--xml"], capsys)
    (tmp_path / "apdus.xml").write_text(out)
    assert execute(["encode", str(tmp_path / "apdus.xml")]) == 0
    assert capsys.readouterr().out.split() == [GET.hex(), ANSWER.hex(), GET.hex()]


def test_the_command_tells_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.pcap"
    file.write_bytes(pcap(WRAPPED.packets)[:-3])
    code, out, err = run([str(file)], capsys)
    assert (code, err) == (1, "dlms: the file ends at offset 371, within the packet behind packet 3\n")
    assert "get-request-normal" in out
    talk = Talk().say(CLIENT, ASKED * 3, len(ASKED))
    del talk.packets[3]
    file.write_bytes(pcap(talk.packets))
    code, out, _ = run([str(file)], capsys)
    assert code == 1
    assert "  21 octets of 10.0.0.2:50000 are missing before packet 4\n" in out
    web = Talk(("10.0.0.2", 50001), ("10.0.0.9", 80)).say(("10.0.0.2", 50001), b"GET / HTTP/1.1\r\n\r\n")
    file.write_bytes(pcap(web.packets))
    code, out, err = run([str(file)], capsys)
    assert (code, out) == (1, "")
    assert err == "dlms: warning: 1 conversation of something else\ndlms: no conversation of DLMS in 3 packets\n"
