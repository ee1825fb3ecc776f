"""The link's transitions, both roles in one table of data.

                 connect            UA             send              I, RR, RNR
    primary    DISCONNECTED -> CONNECTING -> CONNECTED -> AWAITING -> CONNECTED, POLLING or AWAITING
                    ^                            | disconnect
                    +------- UA, DM -------- DISCONNECTING

                 SNRM               I with P       send, acknowledge
    secondary  DISCONNECTED -> CONNECTED -> REPLYING -> CONNECTED
                    ^              | a frame to reject
                    +--- DISC -- REJECTED -- SNRM -> CONNECTED

A pair of state and input that is not in the table does nothing when it was received (it is counted), and raises
LinkStateError when it was asked for. A target is where the action leads unless the content of the frame decides
otherwise; the action then returns another state. Green Book, data link layer; ISO/IEC 13239, unbalanced operation.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from hdlc.frame import Kind


class Role(enum.StrEnum):
    """Which end of the link: the primary (client) asks, the secondary (server) answers."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class State(enum.StrEnum):
    """Where a link stands."""

    DISCONNECTED = "disconnected"
    """Normal disconnected mode."""
    CONNECTING = "connecting"
    """Primary: SNRM is out."""
    CONNECTED = "connected"
    """Normal response mode. Primary: it is our turn. Secondary: it is the primary's."""
    AWAITING = "awaiting"
    """Primary: a frame with P is out, nothing may be sent before F or the timeout."""
    POLLING = "polling"
    """Primary: our turn, but the peer is busy or owes a reply; it is polled when the timer ends."""
    REPLYING = "replying"
    """Secondary: a message with P is with the user, the turn is ours."""
    REJECTED = "rejected"
    """Secondary: a frame was rejected; only SNRM and DISC help."""
    DISCONNECTING = "disconnecting"
    """Primary: DISC is out."""


class Request(enum.StrEnum):
    """What the user asks of a link."""

    CONNECT = "connect"
    SEND = "send"
    SEND_UI = "send-ui"
    ACKNOWLEDGE = "acknowledge"
    DISCONNECT = "disconnect"


class Action(enum.StrEnum):
    """What a link does on an input: the names of its methods."""

    CALL = "call"
    """Send SNRM."""
    OPENED = "opened"
    """UA to SNRM."""
    TRANSMIT = "transmit"
    """Send the next segment."""
    KEEP = "keep"
    """It is queued: nothing to do now."""
    RELEASE = "release"
    """Send DISC."""
    RELEASE_LATER = "release_later"
    """Send DISC as soon as it is our turn."""
    RELEASED = "released"
    """The answer to DISC."""
    LOST = "lost"
    """The peer refuses, or has left the link."""
    PRIMARY_INFO = "primary_info"
    PRIMARY_READY = "primary_ready"
    PRIMARY_NOT_READY = "primary_not_ready"
    UNNUMBERED = "unnumbered"
    """UI, either role."""
    FLUSH_UI = "flush_ui"
    """Send the UI frames that wait."""
    ESTABLISH = "establish"
    """SNRM: answer UA, or DM to parameters that cannot be accepted."""
    DISCONNECT_MODE = "disconnect_mode"
    """Answer DM."""
    CLOSE = "close"
    """DISC: answer UA."""
    SECONDARY_INFO = "secondary_info"
    SECONDARY_READY = "secondary_ready"
    SECONDARY_NOT_READY = "secondary_not_ready"
    REJECT = "reject"
    """A control octet that means nothing: answer FRMR."""
    REPEAT_REJECT = "repeat_reject"
    """Answer the same FRMR again."""
    REPLY = "reply"
    """Use the turn: the next segment, or RR."""
    DROP = "drop"
    """Leave the link without a word: a secondary may not speak unasked."""


class Step(NamedTuple):
    """One cell of the table: what is done, and where that leads."""

    action: Action
    target: State


Input = Kind | Request

_P, _S = Role.PRIMARY, Role.SECONDARY
_COMMANDS = (Kind.I, Kind.RR, Kind.RNR, Kind.UNKNOWN)
_ANSWERED = {
    Kind.I: Action.PRIMARY_INFO,
    Kind.RR: Action.PRIMARY_READY,
    Kind.RNR: Action.PRIMARY_NOT_READY,
}
_POLLED = {
    Kind.I: Action.SECONDARY_INFO,
    Kind.RR: Action.SECONDARY_READY,
    Kind.RNR: Action.SECONDARY_NOT_READY,
}
_PRIMARY_STATES = (State.DISCONNECTED, State.CONNECTING, State.CONNECTED, State.AWAITING, State.POLLING)

TRANSITIONS: dict[tuple[Role, State, Input], Step] = {
    # primary
    (_P, State.DISCONNECTED, Request.CONNECT): Step(Action.CALL, State.CONNECTING),
    (_P, State.CONNECTING, Kind.UA): Step(Action.OPENED, State.CONNECTED),
    (_P, State.CONNECTED, Request.SEND): Step(Action.TRANSMIT, State.AWAITING),
    (_P, State.POLLING, Request.SEND): Step(Action.TRANSMIT, State.AWAITING),
    (_P, State.AWAITING, Request.SEND): Step(Action.KEEP, State.AWAITING),
    **{
        (_P, state, kind): Step(action, State.CONNECTED)
        for state in (State.AWAITING, State.POLLING)
        for kind, action in _ANSWERED.items()
    },
    (_P, State.CONNECTED, Request.DISCONNECT): Step(Action.RELEASE, State.DISCONNECTING),
    (_P, State.POLLING, Request.DISCONNECT): Step(Action.RELEASE, State.DISCONNECTING),
    (_P, State.AWAITING, Request.DISCONNECT): Step(Action.RELEASE_LATER, State.AWAITING),
    (_P, State.CONNECTING, Request.DISCONNECT): Step(Action.RELEASE_LATER, State.CONNECTING),
    (_P, State.DISCONNECTING, Request.DISCONNECT): Step(Action.KEEP, State.DISCONNECTING),
    (_P, State.DISCONNECTING, Kind.UA): Step(Action.RELEASED, State.DISCONNECTED),
    (_P, State.DISCONNECTING, Kind.DM): Step(Action.RELEASED, State.DISCONNECTED),
    **{
        (_P, state, kind): Step(Action.LOST, State.DISCONNECTED)
        for state in (State.CONNECTING, State.CONNECTED, State.AWAITING, State.POLLING)
        for kind in (Kind.DM, Kind.FRMR)
    },
    **{(_P, state, Kind.UI): Step(Action.UNNUMBERED, state) for state in (*_PRIMARY_STATES, State.DISCONNECTING)},
    **{
        (_P, state, Request.SEND_UI): Step(Action.FLUSH_UI, state)
        for state in (State.DISCONNECTED, State.CONNECTED, State.POLLING)
    },
    (_P, State.AWAITING, Request.SEND_UI): Step(Action.KEEP, State.AWAITING),
    # secondary
    (_S, State.DISCONNECTED, Kind.SNRM): Step(Action.ESTABLISH, State.CONNECTED),
    **{
        (_S, State.DISCONNECTED, kind): Step(Action.DISCONNECT_MODE, State.DISCONNECTED)
        for kind in (*_COMMANDS, Kind.DISC)
    },
    **{
        (_S, state, kind): Step(action, target)
        for state in (State.CONNECTED, State.REPLYING, State.REJECTED)
        for kind, action, target in (
            (Kind.SNRM, Action.ESTABLISH, State.CONNECTED),
            (Kind.DISC, Action.CLOSE, State.DISCONNECTED),
            (Request.DISCONNECT, Action.DROP, State.DISCONNECTED),
        )
    },
    **{
        (_S, state, kind): Step(action, State.CONNECTED)
        for state in (State.CONNECTED, State.REPLYING)
        for kind, action in _POLLED.items()
    },
    **{(_S, state, Kind.UNKNOWN): Step(Action.REJECT, State.REJECTED) for state in (State.CONNECTED, State.REPLYING)},
    **{(_S, State.REJECTED, kind): Step(Action.REPEAT_REJECT, State.REJECTED) for kind in (*_COMMANDS, Kind.UI)},
    **{
        (_S, state, Kind.UI): Step(Action.UNNUMBERED, state)
        for state in (State.DISCONNECTED, State.CONNECTED, State.REPLYING)
    },
    (_S, State.CONNECTED, Request.SEND): Step(Action.KEEP, State.CONNECTED),
    (_S, State.REPLYING, Request.SEND): Step(Action.REPLY, State.CONNECTED),
    (_S, State.REPLYING, Request.ACKNOWLEDGE): Step(Action.REPLY, State.CONNECTED),
    (_S, State.DISCONNECTED, Request.SEND_UI): Step(Action.FLUSH_UI, State.DISCONNECTED),
    (_S, State.CONNECTED, Request.SEND_UI): Step(Action.KEEP, State.CONNECTED),
    (_S, State.REPLYING, Request.SEND_UI): Step(Action.FLUSH_UI, State.REPLYING),
}
"""(role, state, input) -> step."""
