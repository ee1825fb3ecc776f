"""Every cell of the table, for both roles: a declared step, or no effect (received) and LinkStateError (asked)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdlc.errors import LinkStateError
from hdlc.frame import Frame, Kind
from hdlc.link import Disconnected, Link, Received
from hdlc.transitions import TRANSITIONS, Action, Request, Role, State
from tests.hdlc.ends import CLIENT, SERVER, command, events, response

STATES: dict[Role, list[State]] = {
    Role.PRIMARY: [state for state in State if state not in (State.REPLYING, State.REJECTED)],
    Role.SECONDARY: [State.DISCONNECTED, State.CONNECTED, State.REPLYING, State.REJECTED],
}
CELLS = [(role, state) for role, states in STATES.items() for state in states]


def put_into(role: Role, state: State) -> Link:
    """A link that was brought into a state over the line."""
    link = Link(role, *((CLIENT, SERVER) if role is Role.PRIMARY else (SERVER, CLIENT)))
    if role is Role.PRIMARY and state is not State.DISCONNECTED:
        link.connect(0.0)
        if state is not State.CONNECTING:
            link.receive_frame(response(Kind.UA), 0.0)
        if state in (State.AWAITING, State.POLLING):
            link.send(b"question", 0.0)
        if state is State.POLLING:
            link.receive_frame(response(Kind.RR, nr=1), 0.0)
        if state is State.DISCONNECTING:
            link.disconnect(0.0)
    if role is Role.SECONDARY and state is not State.DISCONNECTED:
        link.receive_frame(command(Kind.SNRM), 0.0)
        if state is State.REPLYING:
            link.receive_frame(command(Kind.I, b"question"), 0.0)
        if state is State.REJECTED:
            link.receive_frame(Frame(Kind.UNKNOWN, SERVER, CLIENT, unknown_control=0x19), 0.0)
    events(link)
    link.data_to_send()
    assert link.state is state
    return link


def ask(link: Link, request: Request) -> None:
    match request:
        case Request.CONNECT:
            link.connect(1.0)
        case Request.SEND:
            link.send(b"information", 1.0)
        case Request.SEND_UI:
            link.send_ui(b"information", 1.0)
        case Request.ACKNOWLEDGE:
            link.acknowledge(1.0)
        case Request.DISCONNECT:
            link.disconnect(1.0)


def visible(link: Link) -> tuple[object, ...]:
    return link.state, link.next_timeout(), link.data_to_send(), events(link), link.parameters


FRAMES = st.builds(
    lambda kind, ns, nr, p, more, info: (kind, ns if kind is Kind.I else 0, nr, p, more, info),
    st.sampled_from(Kind),
    st.integers(0, 7),
    st.integers(0, 7),
    st.booleans(),
    st.booleans(),
    st.binary(max_size=200),
)


def frame_for(role: Role, parts: tuple[Kind, int, int, bool, bool, bytes]) -> Frame:
    kind, ns, nr, p, more, info = parts
    nr = nr if kind in (Kind.I, Kind.RR, Kind.RNR) else 0
    make = response if role is Role.PRIMARY else command
    control = 0x09 if kind is Kind.UNKNOWN else None
    return make(kind, info, ns, nr, p, segmented=more, unknown_control=control)


@given(st.sampled_from(CELLS), FRAMES)
def test_received(cell: tuple[Role, State], parts: tuple[Kind, int, int, bool, bool, bytes]) -> None:
    role, state = cell
    link = put_into(role, state)
    frame = frame_for(role, parts)
    link.receive_frame(frame, 1.0)
    assert link.state in STATES[role]
    sent = link.data_to_send()
    if (role, state, frame.kind) not in TRANSITIONS:
        assert (link.state, sent, link.ignored_frames) == (state, [], 1)
        assert events(link) == []
    if role is Role.SECONDARY:
        assert len(sent) <= frame.poll_final, "a secondary speaks once, and only when polled"


@pytest.mark.parametrize("request_", list(Request))
@pytest.mark.parametrize(("role", "state"), CELLS)
def test_asked(role: Role, state: State, request_: Request) -> None:
    link, untouched = put_into(role, state), put_into(role, state)
    if (role, state, request_) in TRANSITIONS:
        ask(link, request_)
        assert link.state is TRANSITIONS[role, state, request_].target
    else:
        with pytest.raises(LinkStateError):
            ask(link, request_)
        assert visible(link) == visible(untouched)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(("role", "state"), CELLS)
def test_others_are_ignored_in_every_state(role: Role, state: State, kind: Kind) -> None:
    link, untouched = put_into(role, state), put_into(role, state)
    frame = frame_for(role, (kind, 0, 0, True, False, b""))
    foreign = type(CLIENT)(99)
    for other in (
        Frame(frame.kind, foreign, frame.source, unknown_control=frame.unknown_control),
        Frame(frame.kind, frame.destination, foreign, unknown_control=frame.unknown_control),
    ):
        link.receive_frame(other, 1.0)
    assert visible(link) == visible(untouched)
    assert link.ignored_frames == 2


@pytest.mark.parametrize(("role", "state"), CELLS)
def test_early_timers_have_no_effect(role: Role, state: State) -> None:
    link, untouched = put_into(role, state), put_into(role, state)
    due = link.next_timeout()
    for now in (0.0, 0.5, (due or 10.0) - 0.001):
        link.handle_timeout(now)
    assert visible(link) == visible(untouched)


def test_the_table_is_sound() -> None:
    for (role, state, _), step in TRANSITIONS.items():
        assert state in STATES[role]
        assert step.target in STATES[role]
        assert callable(getattr(Link, "_" + step.action))
    assert {step.action for step in TRANSITIONS.values()} == set(Action)
    for role, states in STATES.items():
        assert {step.target for (r, *_), step in TRANSITIONS.items() if r is role} | {State.POLLING} >= set(states)


@given(st.sampled_from(Role), st.lists(FRAMES | st.sampled_from(Request) | st.floats(0.0, 200.0), max_size=30))
def test_any_script_keeps_the_contract(role: Role, script: list[object]) -> None:
    """Nothing received raises; the user's misuse raises one error; a link that is down has one reason for it."""
    link = put_into(role, State.DISCONNECTED)
    up, now = False, 0.0
    for step in script:
        if isinstance(step, Request):
            with contextlib.suppress(LinkStateError):
                ask(link, step)
        elif isinstance(step, float):
            now += step
            link.handle_timeout(now)
        else:
            assert isinstance(step, tuple)
            link.receive_frame(frame_for(role, step), now)
        for event in events(link):
            if isinstance(event, Received):
                assert up
            up = not isinstance(event, Disconnected) if not hasattr(event, "info") else up
        if link.state in (State.CONNECTED, State.AWAITING, State.POLLING, State.REPLYING):
            assert up
        for octets in link.data_to_send():
            assert octets[0] == octets[-1] == 0x7E
