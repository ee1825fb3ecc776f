"""The link's behaviour case by case: both roles, segmentation, busy peers, rejects, bounds and misuse."""

from __future__ import annotations

import dataclasses

import pytest

from hdlc.address import Address
from hdlc.errors import LinkStateError, ParameterError
from hdlc.frame import Frame, Kind, decode_frame
from hdlc.link import Connected, Disconnected, Link, LinkConfig, Reason, Received, ReceivedUi
from hdlc.negotiation import Parameters
from hdlc.transitions import Role, State
from tests.hdlc.ends import CLIENT, SERVER, command, events, primary, response, responses, secondary

ALL = Address(0x7F)


def sent(link: Link) -> list[Frame]:
    return [decode_frame(octets[1:-1]) for octets in link.data_to_send()]


class TestPrimary:
    def test_connect_offers_and_negotiates(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER, LinkConfig(Parameters(512, 256), always_two_octets=True))
        link.connect(0.0)
        (snrm,) = sent(link)
        assert snrm.info == Parameters(512, 256).encode(always_two_octets=True)
        assert responses(link, 0.0, response(Kind.UA, Parameters(200, 300).encode())) == []
        assert events(link) == [Connected(Parameters(300, 200))]
        assert link.next_timeout() is None

    def test_only_what_differs(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER, LinkConfig(only_if_changed=True))
        link.connect(0.0)
        assert sent(link) == [command(Kind.SNRM)]

    def test_refused(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER)
        link.connect(0.0)
        assert len(responses(link, 0.0, response(Kind.DM))) == 1
        assert events(link) == [Disconnected(Reason.REFUSED, by_peer=True)]
        link.connect(1.0)
        assert [frame.kind for frame in sent(link)] == [Kind.SNRM]

    def test_bad_parameters_in_ua(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER)
        link.connect(0.0)
        sent(link)
        assert [frame.kind for frame in responses(link, 0.0, response(Kind.UA, b"\x81\x80\x03\x09\x01\x01"))] == [
            Kind.DISC
        ]
        responses(link, 0.0, response(Kind.UA))
        assert events(link) == [Disconnected(Reason.PARAMETERS, by_peer=False)]

    def test_segments_both_ways(self) -> None:
        link = primary()
        link.send(bytes(300), 0.0)
        frames = sent(link)
        frames += responses(link, 0.0, response(Kind.RR, nr=1))
        frames += responses(link, 0.0, response(Kind.RR, nr=2))
        assert [(len(f.info), f.segmented, f.send_sequence) for f in frames] == [
            (128, True, 0),
            (128, True, 1),
            (44, False, 2),
        ]
        polls = responses(link, 0.0, response(Kind.I, b"ab", nr=3, segmented=True))
        polls += responses(link, 0.0, response(Kind.I, b"cd", ns=1, nr=3, segmented=True))
        assert [(f.kind, f.receive_sequence) for f in polls] == [(Kind.RR, 1), (Kind.RR, 2)]
        assert responses(link, 0.0, response(Kind.I, b"ef", ns=2, nr=3)) == []
        assert events(link) == [Received(b"abcdef")]
        assert link.state is State.CONNECTED

    def test_the_same_frame_is_repeated(self) -> None:
        link = primary(LinkConfig(response_timeout_s=2.0))
        link.send(b"question", 10.0)
        first = link.data_to_send()
        assert link.next_timeout() == 12.0
        link.handle_timeout(11.9)
        assert link.data_to_send() == []
        link.handle_timeout(12.0)
        assert link.data_to_send() == first
        link.config = dataclasses.replace(link.config, response_timeout_s=7.0)
        link.handle_timeout(14.0)
        assert link.data_to_send() == first
        assert link.next_timeout() == 21.0
        assert link.repeated_frames == 2

    def test_late_and_repeated_responses_are_dropped(self) -> None:
        link = primary()
        link.send(b"one", 0.0)
        assert len(responses(link, 0.0, response(Kind.I, b"1", nr=1))) == 1
        assert responses(link, 0.0, response(Kind.I, b"1", nr=1)) == []
        link.send(b"two", 0.0)
        sent(link)
        assert (
            responses(link, 0.0, response(Kind.I, b"1", nr=1), response(Kind.RR, nr=1), response(Kind.RR, nr=5)) == []
        )
        assert link.state is State.AWAITING
        responses(link, 0.0, response(Kind.I, b"2", ns=1, nr=2))
        assert events(link) == [Received(b"1"), Received(b"2")]
        assert link.ignored_frames == 4

    def test_busy_peer(self) -> None:
        link = primary(LinkConfig(response_timeout_s=2.0))
        link.send(b"question", 0.0)
        (question,) = sent(link)
        assert responses(link, 1.0, response(Kind.RNR, nr=0)) == []
        assert (link.state, link.next_timeout()) == (State.POLLING, 3.0)
        link.send(b"more", 2.0)
        assert sent(link) == []
        link.handle_timeout(3.0)
        assert [f.kind for f in sent(link)] == [Kind.RR]
        assert responses(link, 3.1, response(Kind.RR, nr=0)) == [question]
        (more,) = responses(link, 3.2, response(Kind.I, b"answer", nr=1))
        assert (more.info, more.send_sequence) == (b"more", 1)

    def test_acknowledged_without_an_answer(self) -> None:
        link = primary(LinkConfig(response_timeout_s=2.0))
        link.send(b"question", 0.0)
        sent(link)
        assert responses(link, 1.0, response(Kind.RR, nr=1)) == []
        assert link.state is State.POLLING
        link.handle_timeout(3.0)
        assert [(f.kind, f.poll_final) for f in sent(link)] == [(Kind.RR, True)]
        responses(link, 3.0, response(Kind.I, b"answer", nr=1))
        assert events(link) == [Received(b"answer")]
        link.send(b"unconfirmed", 4.0, reply=False)
        sent(link)
        responses(link, 4.0, response(Kind.RR, nr=2))
        assert (link.state, link.next_timeout()) == (State.CONNECTED, None)

    def test_two_answers_are_owed(self) -> None:
        link = primary(LinkConfig(response_timeout_s=2.0))
        link.send(b"one", 0.0)
        responses(link, 0.0, response(Kind.RR, nr=1))
        link.send(b"two", 0.0)
        responses(link, 0.0, response(Kind.I, b"1", nr=2))
        assert (link.state, link.next_timeout()) == (State.POLLING, 2.0)
        responses(link, 1.0, response(Kind.I, b"2", ns=1, nr=2))
        assert (link.state, link.next_timeout()) == (State.CONNECTED, None)

    def test_a_second_message_waits(self) -> None:
        link = primary()
        link.send(b"one", 0.0)
        link.send(b"two", 0.0)
        assert [f.info for f in sent(link)] == [b"one"]
        assert [f.info for f in responses(link, 0.0, response(Kind.I, b"1", nr=1))] == [b"two"]

    def test_disconnect_waits_for_the_turn(self) -> None:
        link = primary()
        link.send(b"question", 0.0)
        sent(link)
        link.disconnect(0.0)
        assert sent(link) == []
        with pytest.raises(LinkStateError):
            link.send(b"other", 0.0)
        assert [f.kind for f in responses(link, 0.0, response(Kind.I, b"answer", nr=1))] == [Kind.DISC]
        responses(link, 0.0, response(Kind.UA))
        assert events(link) == [Received(b"answer"), Disconnected(Reason.REQUESTED, by_peer=False)]

    def test_disconnect_at_the_timeout(self) -> None:
        link = primary(LinkConfig(response_timeout_s=2.0))
        link.send(b"question", 0.0)
        sent(link)
        link.disconnect(0.0)
        link.handle_timeout(2.0)
        assert [f.kind for f in sent(link)] == [Kind.DISC]
        responses(link, 2.0, response(Kind.DM))
        assert events(link) == [Disconnected(Reason.REQUESTED, by_peer=False)]

    @pytest.mark.parametrize(
        ("kind", "reason"), [(Kind.FRMR, Reason.FRAME_REJECT), (Kind.DM, Reason.DISCONNECTED_MODE)]
    )
    def test_the_peer_has_left(self, kind: Kind, reason: Reason) -> None:
        link = primary()
        link.send(b"question", 0.0)
        responses(link, 0.0, response(kind))
        assert events(link) == [Disconnected(reason, by_peer=True)]
        assert link.next_timeout() is None

    def test_a_second_connection_starts_from_zero(self) -> None:
        link = primary()
        link.send(b"question", 0.0)
        responses(link, 0.0, response(Kind.I, b"answer", nr=1))
        link.disconnect(0.0)
        responses(link, 0.0, response(Kind.UA))
        link.connect(1.0)
        responses(link, 1.0, response(Kind.UA))
        link.send(b"question", 1.0)
        (frame,) = sent(link)
        assert (frame.send_sequence, frame.receive_sequence) == (0, 0)

    def test_message_bound(self) -> None:
        link = primary(LinkConfig(max_message=200))
        link.send(b"question", 0.0)
        sent(link)
        assert [f.kind for f in responses(link, 0.0, response(Kind.I, bytes(128), nr=1, segmented=True))] == [Kind.RR]
        (frame,) = responses(link, 0.0, response(Kind.I, bytes(128), ns=1, nr=1, segmented=True))
        assert frame.kind is Kind.DISC
        responses(link, 0.0, response(Kind.UA))
        assert events(link) == [Disconnected(Reason.MESSAGE_TOO_LONG, by_peer=False)]

    def test_empty_segments_end_too(self) -> None:
        link = primary(LinkConfig(max_message=50))
        link.send(b"question", 0.0)
        for number in range(60):
            responses(link, 0.0, response(Kind.I, b"", ns=number % 8, nr=1, segmented=True))
        assert link.state is State.DISCONNECTING

    def test_several_frames_before_the_final_one(self) -> None:
        link = primary()
        link.send(b"question", 0.0)
        sent(link)
        assert responses(link, 0.0, response(Kind.I, b"a", nr=1, p=False, segmented=True)) == []
        assert responses(link, 0.0, response(Kind.I, b"b", ns=1, nr=1)) == []
        assert events(link) == [Received(b"ab")]

    def test_misuse(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER, LinkConfig(max_message=10))
        with pytest.raises(LinkStateError):
            link.send(b"", 0.0)
        with pytest.raises(LinkStateError):
            link.disconnect(0.0)
        with pytest.raises(LinkStateError, match="one station"):
            Link(Role.PRIMARY, CLIENT, ALL).connect(0.0)
        connected = primary(LinkConfig(max_message=10))
        with pytest.raises(LinkStateError, match="11 octets"):
            connected.send(bytes(11), 0.0)
        for _ in range(65):
            connected.send(b"", 0.0)
        with pytest.raises(LinkStateError, match="wait"):
            connected.send(b"", 0.0)


class TestSecondary:
    def test_answers_in_turn(self) -> None:
        link = secondary()
        assert responses(link, 0.0, command(Kind.I, b"question")) == []
        assert (events(link), link.state) == ([Received(b"question")], State.REPLYING)
        link.send(bytes(200), 0.0)
        frames = sent(link) + responses(link, 0.0, command(Kind.RR, nr=1), command(Kind.RR, nr=2))
        assert [(f.kind, len(f.info), f.segmented) for f in frames] == [
            (Kind.I, 128, True),
            (Kind.I, 72, False),
            (Kind.RR, 0, False),
        ]

    def test_a_lost_segment_is_sent_again(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"question"))
        link.send(b"answer", 0.0)
        (answer,) = sent(link)
        assert responses(link, 0.0, command(Kind.RR, nr=0)) == [answer]
        assert responses(link, 0.0, command(Kind.I, b"question")) == [answer]
        assert events(link) == [Received(b"question")]

    def test_acknowledge(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"unconfirmed"))
        link.acknowledge(0.0)
        assert [(f.kind, f.receive_sequence) for f in sent(link)] == [(Kind.RR, 1)]
        with pytest.raises(LinkStateError):
            link.acknowledge(0.0)

    def test_a_slow_user_answers_the_next_poll(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"question"))
        assert [f.kind for f in responses(link, 0.0, command(Kind.I, b"question"))] == [Kind.RR]
        link.send(b"answer", 0.0)
        assert sent(link) == []
        assert [f.info for f in responses(link, 0.0, command(Kind.RR))] == [b"answer"]

    def test_busy_primary(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"question"))
        link.send(bytes(200), 0.0)
        sent(link)
        assert [f.kind for f in responses(link, 0.0, command(Kind.RNR, nr=1))] == [Kind.RR]
        assert [f.kind for f in responses(link, 0.0, command(Kind.RR, nr=1))] == [Kind.I]

    def test_what_was_held_back_cannot_be_acknowledged(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"question"))
        link.send(bytes(200), 0.0)
        frames = responses(link, 0.0, command(Kind.RNR, nr=1), command(Kind.RR, nr=2))
        assert [f.kind for f in frames] == [Kind.I, Kind.RR, Kind.FRMR]

    def test_silent_without_poll(self) -> None:
        link = Link(Role.SECONDARY, SERVER, CLIENT)
        for kind in (Kind.DISC, Kind.RR, Kind.I, Kind.UI):
            assert responses(link, 0.0, command(kind, p=False)) == []
        link = secondary()
        quiet = [command(Kind.I, b"a", p=False, segmented=True), command(Kind.RR, p=False), command(Kind.UI, p=False)]
        assert responses(link, 0.0, *quiet) == []
        assert responses(link, 0.0, Frame(Kind.UNKNOWN, SERVER, CLIENT, poll_final=False, unknown_control=0x09)) == []
        assert link.state is State.REJECTED

    def test_snrm_begins_anew(self) -> None:
        link = secondary()
        responses(link, 0.0, command(Kind.I, b"half", segmented=True))
        responses(link, 0.0, command(Kind.SNRM, Parameters(64, 64).encode()))
        (frame,) = responses(link, 0.0, command(Kind.I, bytes(65)))
        assert frame.kind is Kind.FRMR
        responses(link, 0.0, command(Kind.SNRM), command(Kind.I, b"whole"))
        assert events(link) == [
            Connected(Parameters(64, 64)),
            Disconnected(Reason.FRAME_REJECT, by_peer=False),
            Connected(Parameters()),
            Received(b"whole"),
        ]

    def test_parameters_that_cannot_be_accepted(self) -> None:
        link = Link(Role.SECONDARY, SERVER, CLIENT)
        unknown = command(Kind.SNRM, b"\x81\x80\x03\x09\x01\x01")
        assert [f.kind for f in responses(link, 0.0, unknown)] == [Kind.DM]
        assert events(link) == []
        responses(link, 0.0, command(Kind.SNRM))
        assert [f.kind for f in responses(link, 0.0, unknown)] == [Kind.DM]
        assert events(link)[-1] == Disconnected(Reason.PARAMETERS, by_peer=True)

    def test_reject_is_cleared_by_disc(self) -> None:
        link = secondary()
        first = responses(link, 0.0, command(Kind.RR, nr=3))
        assert responses(link, 0.0, command(Kind.I, b"question"), command(Kind.UI, b"ui")) == first * 2
        assert [f.kind for f in responses(link, 0.0, command(Kind.DISC), command(Kind.RR))] == [Kind.UA, Kind.DM]
        assert events(link) == [Disconnected(Reason.FRAME_REJECT, by_peer=False)]

    def test_inactivity(self) -> None:
        link = secondary(LinkConfig(inactivity_timeout_s=30.0))
        responses(link, 20.0, command(Kind.RR))
        assert link.next_timeout() == 50.0
        link.handle_timeout(49.9)
        assert link.state is State.CONNECTED
        link.handle_timeout(50.0)
        assert events(link) == [Disconnected(Reason.INACTIVITY, by_peer=False)]
        assert (link.next_timeout(), link.data_to_send()) == (None, [])
        assert secondary(LinkConfig(inactivity_timeout_s=None)).next_timeout() is None

    def test_message_bound(self) -> None:
        link = secondary(LinkConfig(max_message=200))
        frames = responses(
            link, 0.0, command(Kind.I, bytes(128), segmented=True), command(Kind.I, bytes(128), ns=1, segmented=True)
        )
        assert [f.kind for f in frames] == [Kind.RR, Kind.FRMR]

    def test_drop(self) -> None:
        link = secondary()
        link.disconnect(0.0)
        assert events(link) == [Disconnected(Reason.REQUESTED, by_peer=False)]
        assert [f.kind for f in responses(link, 0.0, command(Kind.I))] == [Kind.DM]


class TestUnnumbered:
    def test_broadcast_is_delivered_and_not_answered(self) -> None:
        link = secondary()
        broadcast = Frame(Kind.UI, ALL, CLIENT, b"time", poll_final=True)
        assert responses(link, 0.0, broadcast) == []
        assert events(link) == [ReceivedUi(b"time")]
        assert responses(link, 0.0, Frame(Kind.DISC, ALL, CLIENT), Frame(Kind.SNRM, ALL, CLIENT)) == []
        assert link.state is State.CONNECTED

    def test_broadcast_from_a_primary(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, ALL)
        link.send_ui(b"time", 0.0)
        assert sent(link) == [Frame(Kind.UI, ALL, CLIENT, b"time", poll_final=False)]

    def test_push(self) -> None:
        link = Link(Role.SECONDARY, SERVER, CLIENT)
        link.send_ui(bytes(400), 0.0)
        (push,) = sent(link)
        assert (push.control, push.destination) == (0x13, CLIENT)
        receiver = Link(Role.PRIMARY, CLIENT, SERVER)
        assert responses(receiver, 0.0, push) == []
        assert events(receiver) == [ReceivedUi(bytes(400))]

    def test_push_within_a_link_goes_before_the_answer(self) -> None:
        link = secondary()
        link.send_ui(b"push", 0.0)
        assert sent(link) == []
        answers = responses(link, 0.0, command(Kind.RR))
        assert [(f.kind, f.poll_final) for f in answers] == [(Kind.UI, False), (Kind.RR, True)]

    def test_segments(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER)
        responses(link, 0.0, response(Kind.UI, b"ab", p=False, segmented=True), response(Kind.UI, b"cd"))
        assert events(link) == [ReceivedUi(b"abcd")]

    def test_bounds(self) -> None:
        link = Link(Role.PRIMARY, CLIENT, SERVER, LinkConfig(max_message=100))
        responses(link, 0.0, *(response(Kind.UI, bytes(60), segmented=True),) * 5)
        assert (events(link), link.ignored_frames) == ([], 2)
        with pytest.raises(LinkStateError, match="2031"):
            link.send_ui(bytes(2031), 0.0)
        link = secondary()
        for _ in range(64):
            link.send_ui(b"", 0.0)
        with pytest.raises(LinkStateError, match="wait"):
            link.send_ui(b"", 0.0)

    def test_polled(self) -> None:
        assert [f.kind for f in responses(secondary(), 0.0, command(Kind.UI, b"x"))] == [Kind.RR]
        link = Link(Role.SECONDARY, SERVER, CLIENT)
        assert [f.kind for f in responses(link, 0.0, command(Kind.UI, b"x"))] == [Kind.DM]
        assert events(link) == [ReceivedUi(b"x")]


def test_a_configuration_is_checked() -> None:
    with pytest.raises(ParameterError):
        LinkConfig(Parameters(max_info_transmit=16))
