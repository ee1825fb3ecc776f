"""The link between one primary and one secondary station, sans-IO: frames, requests, time in; frames, events out.

Contract: time is an argument, in seconds of any steady clock. After any call drain `next_event()`, then
`data_to_send()`, then read `next_timeout()` again. An early or needless `handle_timeout` has no effect. Nothing
received raises: what does not fit is dropped and counted, and what ends the link becomes an event. Only what the user
asks for may raise, and then nothing has changed. The transitions are in `hdlc.transitions`.

A station with several peers, or a server with several logical devices, has one FrameReader for the line and one Link
for each pair of addresses; each link ignores the frames of the others.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from hdlc.address import Address, accepts
from hdlc.errors import LinkStateError, ParameterError
from hdlc.frame import Frame, Kind
from hdlc.limits import INACTIVITY_TIMEOUT_S, MAX_INFO, MAX_MESSAGE, MAX_QUEUED, RESPONSE_TIMEOUT_S, RETRIES
from hdlc.negotiation import Parameters, decode_parameters, negotiate
from hdlc.segmentation import Reassembly, segments
from hdlc.transitions import TRANSITIONS, Request, Role, State, Step


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """What one end of a link offers and how patient it is; replace `Link.config` to change it while the link lives."""

    parameters: Parameters = field(default_factory=Parameters)
    """Offered; what is agreed on is in Connected. The link keeps one I frame outstanding whatever the window."""

    response_timeout_s: float = RESPONSE_TIMEOUT_S
    """Primary: one try of one frame, and the pause before a busy peer is polled. Read at every transmission."""

    retries: int = RETRIES
    """Primary: repetitions of one frame before the link is given up."""

    inactivity_timeout_s: float | None = INACTIVITY_TIMEOUT_S
    """Secondary: silence after which the link is dropped; None or 0 for never."""

    max_message: int = MAX_MESSAGE
    """Octets of one message, in either direction."""

    always_two_octets: bool = False
    """SNRM and UA carry the information field lengths in two octets even where one would do (Kamstrup)."""

    only_if_changed: bool = False
    """SNRM and UA leave out parameters at their default."""


class Reason(enum.StrEnum):
    """Why a link ended."""

    REQUESTED = "requested"
    """This end asked for it, or the peer did with DISC."""
    TIMEOUT = "timeout"
    """No response to any repetition."""
    INACTIVITY = "inactivity"
    REFUSED = "refused"
    """DM to SNRM."""
    DISCONNECTED_MODE = "disconnected-mode"
    """DM in a link that was up: the peer had left it."""
    FRAME_REJECT = "frame-reject"
    """FRMR was sent or received."""
    PARAMETERS = "parameters"
    """SNRM or UA carried parameters that cannot be accepted."""
    MESSAGE_TOO_LONG = "message-too-long"


@dataclass(frozen=True, slots=True)
class Connected:
    """The link is up with these parameters. While connected: the peer began anew, what was under way is void."""

    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message."""

    info: bytes


@dataclass(frozen=True, slots=True)
class ReceivedUi:
    """One unnumbered message: unconfirmed, broadcast or pushed. It is neither acknowledged nor ordered."""

    info: bytes


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The link is down; `by_peer` says who ended it. What was not yet acknowledged may or may not have arrived."""

    reason: str
    by_peer: bool


Event = Connected | Received | ReceivedUi | Disconnected


class Rejection(enum.IntFlag):
    """Third octet of the information field of FRMR: what was wrong. ISO/IEC 13239, FRMR."""

    CONTROL = 1
    INFO_TOO_LONG = 4
    RECEIVE_SEQUENCE = 8


class Outgoing(NamedTuple):
    """One segment to send."""

    info: bytes
    more: bool
    reply: bool


class Link:
    """One end of a link; see the module for its contract.

    `own` and `peer` are its addresses. `state`, `parameters` (negotiated) and the counters are for reading.
    """

    def __init__(self, role: Role, own: Address, peer: Address, config: LinkConfig | None = None) -> None:
        self.role, self.own, self.peer = Role(role), own, peer
        self.config = config or LinkConfig()
        self.state = State.DISCONNECTED
        self.parameters = Parameters()
        self.ignored_frames = 0
        """Frames that were for others, late, repeated or out of place."""
        self.repeated_frames = 0
        """Frames sent again because no response came."""
        self._source = own  # a secondary answers with the form of its address that it was called by
        self._polled = False  # secondary: the frame in hand asks for an answer
        self._awaited: Frame | None = None  # primary: what is repeated at the timeout
        self._closing: Reason | None = None  # primary: DISC follows when it is our turn
        self._rejection = b""
        self._deadline: float | None = None
        self._tries = 0
        self._events: deque[Event] = deque()
        self._out: list[bytes] = []
        self._queued_ui: deque[bytes] = deque()
        self._reset()

    # what the user asks

    def connect(self, now: float) -> None:
        """Primary: send SNRM. Connected or Disconnected follows."""
        if self.peer.is_all_station or self.peer.is_no_station:
            raise LinkStateError(f"{self.peer} is not the address of one station")
        self._ask(self._allowed(Request.CONNECT), now)

    def send(self, info: bytes, now: float, *, reply: bool = True) -> None:
        """Queue a message and send what may be sent now.

        A primary that expects a `reply` polls until one message has come; without, an acknowledgement is enough.
        A secondary sends at once if it holds the turn (after Received), else when it is polled.
        """
        step = self._allowed(Request.SEND)
        if len(info) > self.config.max_message:
            raise LinkStateError(f"a message of {len(info)} octets; {self.config.max_message} are configured")
        if sum(not segment.more for segment in self._queue) >= MAX_QUEUED:
            raise LinkStateError(f"{MAX_QUEUED} messages wait to be sent")
        size = self.parameters.max_info_transmit
        self._queue.extend(Outgoing(part, more, reply) for part, more in segments(info, size))
        self._ask(step, now)

    def send_ui(self, info: bytes, now: float) -> None:
        """Queue an unnumbered message of at most 2030 octets; it leaves at the next turn, without a link at once."""
        step = self._allowed(Request.SEND_UI)
        if len(info) > MAX_INFO:
            raise LinkStateError(f"an unnumbered message of {len(info)} octets; {MAX_INFO} are possible")
        if len(self._queued_ui) >= MAX_QUEUED:
            raise LinkStateError(f"{MAX_QUEUED} unnumbered messages wait to be sent")
        self._queued_ui.append(info)
        self._ask(step, now)

    def acknowledge(self, now: float) -> None:
        """Secondary, after Received: give the turn back without a message."""
        self._ask(self._allowed(Request.ACKNOWLEDGE), now)

    def disconnect(self, now: float) -> None:
        """Primary: send DISC when it is our turn. Secondary: leave the link silently. Disconnected follows."""
        self._ask(self._allowed(Request.DISCONNECT), now)

    # what the world does

    def receive_frame(self, frame: Frame, now: float) -> None:
        """Take one frame from the line."""
        broadcast = frame.destination.is_all_station
        step = TRANSITIONS.get((self.role, self.state, frame.kind))
        if step is None or not self._concerns(frame) or (broadcast and frame.kind is not Kind.UI):
            self.ignored_frames += 1
            return
        if self.role is Role.SECONDARY:
            self._polled = frame.poll_final and not broadcast
            self._source = self.own if broadcast else frame.destination
        target: State | None = getattr(self, "_" + step.action)(frame, now)
        self.state = target or step.target
        if self.role is Role.SECONDARY:
            self._watch_inactivity(now)

    def handle_timeout(self, now: float) -> None:
        """Let the timer act if it has run out."""
        if self._deadline is None or now < self._deadline:
            return
        if self.role is Role.SECONDARY:
            self.state = self._end(Reason.INACTIVITY, by_peer=False)
        elif self.state is State.POLLING:
            self.state = self._poll(now)
        elif self._closing is not None and self.state is not State.DISCONNECTING:
            self.state = self._release(now)
        elif self._tries < self.config.retries:
            self._repeat(now)
        else:
            self._give_up()

    # what the driver drains

    def next_event(self) -> Event | None:
        """The oldest event that has not been taken."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """The frames to put on the line, flags included, in this order."""
        out, self._out = self._out, []
        return out

    def next_timeout(self) -> float | None:
        """When `handle_timeout` has something to do, on the clock of the arguments."""
        return self._deadline

    # both roles

    def _allowed(self, request: Request) -> Step:
        step = TRANSITIONS.get((self.role, self.state, request))
        if step is None or (request is not Request.SEND_UI and self._closing and request is not Request.DISCONNECT):
            raise LinkStateError(f"{request} is not possible for a {self.role} station that is {self.state}")
        return step

    def _ask(self, step: Step, now: float) -> None:
        target: State | None = getattr(self, "_" + step.action)(now)
        self.state = target or step.target

    def _concerns(self, frame: Frame) -> bool:
        """Whether the frame goes from our peer to us."""
        return (
            accepts(self.own, frame.destination)
            and not frame.source.is_all_station
            and accepts(self.peer, frame.source)
        )

    def _reset(self) -> None:
        """Sequence variables and buffers as at the start of a link."""
        self._send_state = self._receive_state = 0
        self._queue: deque[Outgoing] = deque()
        self._outstanding: Outgoing | None = None  # sent with N(S) = _send_state, not yet acknowledged
        self._message, self._message_ui = Reassembly(), Reassembly()
        self._peer_busy = False
        self._replies_due = 0  # primary: messages that are expected

    def _end(self, reason: Reason, *, by_peer: bool) -> State:
        self._reset()
        self._queued_ui.clear()
        self._deadline = self._closing = None
        if self.state is not State.REJECTED:  # there it was said when the frame was rejected
            self._events.append(Disconnected(reason, by_peer))
        return State.DISCONNECTED

    def _emit(self, frame: Frame) -> None:
        self._out.append(frame.encode())

    def _plain(self, kind: Kind, info: bytes = b"") -> Frame:
        """An unnumbered frame with P/F set."""
        return Frame(kind, self.peer, self._source, info)

    def _information(self, segment: Outgoing) -> Frame:
        return Frame(
            Kind.I,
            self.peer,
            self._source,
            segment.info,
            self._send_state,
            self._receive_state,
            segmented=segment.more,
        )

    def _receive_ready(self) -> Frame:
        return Frame(Kind.RR, self.peer, self._source, receive_sequence=self._receive_state)

    def _acknowledged(self, receive_sequence: int) -> bool:
        """Take note of N(R); False when it is none that the peer can mean."""
        if receive_sequence == self._send_state:
            return True
        if self._outstanding is None or receive_sequence != (self._send_state + 1) % 8:
            return False
        self._send_state, self._outstanding = receive_sequence, None
        return True

    def _collect(self, frame: Frame) -> bool:
        """Take the information of the I frame that is next in order; True when a message is complete."""
        self._receive_state = (self._receive_state + 1) % 8
        message = self._message.add(frame.info, frame.segmented)
        if message is not None:
            self._events.append(Received(message))
        return message is not None

    def _unnumbered(self, frame: Frame, now: float) -> State | None:
        if self._message_ui.fits(frame.info, self.config.max_message):
            message = self._message_ui.add(frame.info, frame.segmented)
            if message is not None:
                self._events.append(ReceivedUi(message))
        else:
            self._message_ui.clear()
            self.ignored_frames += 1
        if not self._polled:
            return None
        return self._disconnect_mode(frame, now) if self.state is State.DISCONNECTED else self._reply(now)

    def _flush_ui(self, now: float) -> None:
        """F only where no link orders the turns: a push stands alone, in a link the reply ends the turn."""
        final = self.role is Role.SECONDARY and self.state is State.DISCONNECTED
        while self._queued_ui:
            self._emit(Frame(Kind.UI, self.peer, self.own, self._queued_ui.popleft(), poll_final=final))

    def _keep(self, now: float) -> None:
        """What was asked for waits for its turn."""

    # primary

    def _call(self, now: float) -> State:
        offered = self.config.parameters.encode(
            always_two_octets=self.config.always_two_octets, only_if_changed=self.config.only_if_changed
        )
        self._await(self._plain(Kind.SNRM, offered), now)
        return State.CONNECTING

    def _opened(self, frame: Frame, now: float) -> State | None:
        try:
            parameters = negotiate(self.config.parameters, decode_parameters(frame.info))
        except ParameterError:
            self._closing = Reason.PARAMETERS
            return self._release(now)
        if self._closing is not None:
            return self._release(now)
        self._reset()
        self._deadline = None
        self.parameters = parameters
        self._events.append(Connected(parameters))
        return None

    def _await(self, frame: Frame, now: float) -> State:
        """Send a frame with P and wait for F."""
        self._awaited, self._tries = frame, 0
        self._deadline = now + self.config.response_timeout_s
        self._emit(frame)
        return State.AWAITING

    def _repeat(self, now: float) -> None:
        if self._awaited is not None:
            self._tries += 1
            self.repeated_frames += 1
            self._deadline = now + self.config.response_timeout_s
            self._emit(self._awaited)

    def _give_up(self) -> None:
        if self.state is State.AWAITING:
            self._emit(self._plain(Kind.DISC))  # if the peer does hear us, it is free for others
        self.state = self._end(Reason.TIMEOUT, by_peer=False)

    def _transmit(self, now: float) -> State:
        """Send the next segment, or again the one that the peer has not taken."""
        if self._peer_busy:
            return State.POLLING
        self._flush_ui(now)
        if self._outstanding is None:
            self._outstanding = self._queue.popleft()
            self._replies_due += self._outstanding.reply and not self._outstanding.more
        return self._await(self._information(self._outstanding), now)

    def _poll(self, now: float) -> State:
        return self._await(self._receive_ready(), now)

    def _poll_later(self, now: float) -> State:
        self._deadline = now + self.config.response_timeout_s
        return State.POLLING

    def _take_turn(self, now: float) -> State:
        """The peer has given the turn back and waits for nothing."""
        if self._closing is not None:
            return self._release(now)
        if self._outstanding is not None or self._queue:
            return self._transmit(now)
        self._flush_ui(now)
        if self._replies_due:
            return self._poll_later(now)
        self._deadline = None
        return State.CONNECTED

    def _primary_info(self, frame: Frame, now: float) -> State:
        if frame.send_sequence != self._receive_state or not self._acknowledged(frame.receive_sequence):
            self.ignored_frames += 1  # late or repeated: the timer decides what is missing
            return self.state
        if not self._message.fits(frame.info, self.config.max_message):
            self._closing = Reason.MESSAGE_TOO_LONG
            return self._release(now)
        self._peer_busy = False
        if self._collect(frame):
            self._replies_due = max(0, self._replies_due - 1)
        if not frame.poll_final:
            return self.state
        if self._message.is_open and self._closing is None:
            return self._poll(now)
        return self._take_turn(now)

    def _primary_ready(self, frame: Frame, now: float) -> State:
        ours = self._outstanding
        if not self._acknowledged(frame.receive_sequence):
            self.ignored_frames += 1
            return self.state
        asked_by_poll = self._awaited is not None and self._awaited.kind is Kind.RR
        if ours is not None and self._outstanding is ours and not asked_by_poll:
            # Probably the answer to an earlier copy. Sending again at once would make every later frame cross the
            # line twice; if our frame really is missing there, the timer repeats it.
            self.ignored_frames += 1
            return self.state
        if not frame.poll_final:
            return self.state
        self._peer_busy = False
        if self._message.is_open and self._closing is None:
            return self._poll_later(now)
        return self._take_turn(now)

    def _primary_not_ready(self, frame: Frame, now: float) -> State:
        if not self._acknowledged(frame.receive_sequence) or not frame.poll_final:
            self.ignored_frames += 1
            return self.state
        if self._closing is not None:
            return self._release(now)
        self._peer_busy = True
        return self._poll_later(now)

    def _release(self, now: float) -> State:
        self._closing = self._closing or Reason.REQUESTED
        self._await(self._plain(Kind.DISC), now)
        return State.DISCONNECTING

    def _release_later(self, now: float) -> None:
        self._closing = self._closing or Reason.REQUESTED

    def _released(self, frame: Frame, now: float) -> State:
        return self._end(self._closing or Reason.REQUESTED, by_peer=False)

    def _lost(self, frame: Frame, now: float) -> State:
        if frame.kind is Kind.FRMR:
            return self._end(Reason.FRAME_REJECT, by_peer=True)
        refused = self.state is State.CONNECTING
        return self._end(Reason.REFUSED if refused else Reason.DISCONNECTED_MODE, by_peer=True)

    # secondary

    def _watch_inactivity(self, now: float) -> None:
        patience_s = self.config.inactivity_timeout_s
        self._deadline = now + patience_s if patience_s and self.state is not State.DISCONNECTED else None

    def _respond(self, frame: Frame) -> None:
        """A secondary speaks only when polled."""
        if self._polled:
            self._emit(frame)

    def _establish(self, frame: Frame, now: float) -> State | None:
        try:
            parameters = negotiate(self.config.parameters, decode_parameters(frame.info))
        except ParameterError:
            self._respond(self._plain(Kind.DM))
            up = self.state is not State.DISCONNECTED
            return self._end(Reason.PARAMETERS, by_peer=True) if up else State.DISCONNECTED
        self._reset()
        self.parameters = parameters
        agreed = parameters.encode(
            always_two_octets=self.config.always_two_octets, only_if_changed=self.config.only_if_changed
        )
        self._respond(self._plain(Kind.UA, agreed))
        self._events.append(Connected(parameters))
        return None

    def _disconnect_mode(self, frame: Frame, now: float) -> State:
        self._respond(self._plain(Kind.DM))
        return State.DISCONNECTED

    def _close(self, frame: Frame, now: float) -> State:
        self._respond(self._plain(Kind.UA))
        return self._end(Reason.REQUESTED, by_peer=True)

    def _drop(self, now: float) -> State:
        return self._end(Reason.REQUESTED, by_peer=False)

    def _reply(self, now: float) -> State:
        """Use the turn: the segment that is next, or RR."""
        self._flush_ui(now)
        if self._outstanding is None and self._queue and not self._peer_busy:
            self._outstanding = self._queue.popleft()
        if self._outstanding is None or self._peer_busy:
            self._emit(self._receive_ready())
        else:
            self._emit(self._information(self._outstanding))
        return State.CONNECTED

    def _secondary_info(self, frame: Frame, now: float) -> State:
        too_long = len(frame.info) > self.parameters.max_info_receive
        if too_long or not self._message.fits(frame.info, self.config.max_message):
            return self._reject(frame, now, Rejection.INFO_TOO_LONG)
        if not self._acknowledged(frame.receive_sequence):
            return self._reject(frame, now, Rejection.RECEIVE_SEQUENCE)
        self._peer_busy = False
        complete = False
        if frame.send_sequence == self._receive_state:
            complete = self._collect(frame)
        else:
            self.ignored_frames += 1  # repeated, or one before it is missing: N(R) of the answer says which is expected
        if not self._polled:
            return self.state
        if complete and self._outstanding is None and not self._queue:
            return State.REPLYING
        return self._reply(now)

    def _secondary_ready(self, frame: Frame, now: float) -> State:
        if not self._acknowledged(frame.receive_sequence):
            return self._reject(frame, now, Rejection.RECEIVE_SEQUENCE)
        self._peer_busy = frame.kind is Kind.RNR
        return self._reply(now) if self._polled else self.state

    _secondary_not_ready = _secondary_ready

    def _reject(self, frame: Frame, now: float, why: Rejection = Rejection.CONTROL) -> State:
        self._rejection = bytes((frame.control, self._receive_state << 5 | self._send_state << 1, why))
        self._end(Reason.FRAME_REJECT, by_peer=False)
        return self._repeat_reject(frame, now)

    def _repeat_reject(self, frame: Frame, now: float) -> State:
        self._respond(self._plain(Kind.FRMR, self._rejection))
        return State.REJECTED
