"""Two links over a line that loses, damages, doubles, delays and cuts: once, in order, or declared lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdlc.errors import LinkStateError
from hdlc.frame import Kind, decode_frame
from hdlc.link import Connected, Disconnected, LinkConfig, Reason
from hdlc.negotiation import Parameters
from hdlc.transitions import Role, State
from tests.hdlc.ends import End
from tests.line import ARRIVES, Fate, Line

FATES = st.one_of(
    st.just(ARRIVES),
    st.just(ARRIVES),
    st.just(ARRIVES),
    st.builds(Fate, lost=st.just(True)),
    st.builds(Fate, copies=st.integers(2, 3)),
    st.builds(Fate, delay_s=st.floats(0.0, 5.0)),
    st.builds(Fate, damage=st.tuples(st.integers(0, 2048), st.integers(1, 255))),
    st.builds(Fate, cut=st.integers(1, 40)),
    st.builds(Fate, copies=st.integers(1, 2), delay_s=st.floats(0.0, 3.0), cut=st.integers(0, 40), lost=st.booleans()),
)
SIZES = st.sampled_from([0, 1, 31, 32, 33, 64, 100, 128, 129, 400])
CONFIG = LinkConfig(Parameters(32, 64), retries=5, inactivity_timeout_s=0)


class Pair:
    """A primary with a script of messages and a secondary that answers each."""

    def __init__(self, fate: Callable[[], Fate], script: list[tuple[int, int]], config: LinkConfig = CONFIG) -> None:
        self.asked = [bytes((number,)) + bytes(size) for number, (size, _) in enumerate(script)]
        self.answered = [bytes((number,)) + b"a" * size for number, (_, size) in enumerate(script)]
        self.far = End(Role.SECONDARY, config, answer=lambda message: self.answered[message[0]])
        self.near = End(Role.PRIMARY, config)
        self.line = Line(self.near.station(), self.far.station(), fate)

    def until(self, state: State) -> bool:
        self.line.run(lambda: self.near.link.state in (state, State.DISCONNECTED))
        return self.near.link.state is state

    def run(self) -> bool:
        """Connect, exchange every message, disconnect; whether it came to the end."""
        self.near.link.connect(self.line.now)
        if not self.until(State.CONNECTED):
            return False
        for message in self.asked:
            if self.near.link.state is not State.CONNECTED:
                return False
            self.near.link.send(message, self.line.now)
            if not self.until(State.CONNECTED):
                return False
        self.near.link.disconnect(self.line.now)
        self.until(State.DISCONNECTED)
        return True


@given(st.data(), st.lists(st.tuples(SIZES, SIZES), max_size=5), st.integers(0, 40))
def test_once_and_in_order_or_declared_lost(data: st.DataObject, script: list[tuple[int, int]], bad: int) -> None:
    remaining = iter(range(bad))
    pair = Pair(lambda: ARRIVES if next(remaining, None) is None else data.draw(FATES), script)
    done = pair.run()
    assert pair.far.received == pair.asked[: len(pair.far.received)]
    assert pair.near.received == pair.answered[: len(pair.near.received)]
    assert len(pair.near.received) <= len(pair.far.received)
    if done:
        assert pair.far.received == pair.asked
        assert pair.near.received == pair.answered
    else:
        assert isinstance(pair.near.events[-1], Disconnected)
    assert pair.near.link.state is State.DISCONNECTED


@given(st.sets(st.integers(0, 60), max_size=CONFIG.retries), st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=4))
def test_as_many_losses_as_retries_are_repaired(lost: set[int], script: list[tuple[int, int]]) -> None:
    """A try fails when its frame or the response is lost, so even in one exchange a try is left: nothing may go wrong."""
    numbers = iter(range(10_000))
    pair = Pair(lambda: Fate(lost=next(numbers) in lost), script)
    assert pair.run()
    assert (pair.far.received, pair.near.received) == (pair.asked, pair.answered)


@given(st.lists(st.tuples(SIZES, SIZES), max_size=4))
def test_a_good_line_repeats_nothing(script: list[tuple[int, int]]) -> None:
    pair = Pair(lambda: ARRIVES, script)
    assert pair.run()
    assert pair.near.link.repeated_frames == pair.near.link.ignored_frames == pair.far.link.ignored_frames == 0
    sides = [side for side, _ in pair.line.carried]
    assert sides == ["near", "far"] * (len(sides) // 2), "the two ends take turns"


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=3))
def test_every_frame_twice(script: list[tuple[int, int]]) -> None:
    pair, clean = Pair(lambda: Fate(copies=2), script), Pair(lambda: ARRIVES, script)
    assert pair.run()
    assert clean.run()
    assert (pair.far.received, pair.near.received) == (pair.asked, pair.answered)
    asked = [octets for side, octets in pair.line.carried if side == "near"]
    assert asked == [octets for side, octets in clean.line.carried if side == "near"], "copies breed no copies"


def test_two_copies_do_not_breed() -> None:
    """One doubled frame early on must not make every later exchange cross the line twice."""
    numbers = iter(range(10_000))
    pair = Pair(lambda: Fate(copies=2 if next(numbers) == 2 else 1), [(100, 100)] * 5)
    clean = Pair(lambda: ARRIVES, [(100, 100)] * 5)
    assert pair.run()
    assert clean.run()
    assert len(pair.line.carried) <= len(clean.line.carried) + 2


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("lost_from", [0, 2])
def test_given_up_after_exactly_the_retries(retries: int, lost_from: int) -> None:
    numbers = iter(range(10_000))
    config = LinkConfig(retries=retries, response_timeout_s=2.0, inactivity_timeout_s=0)
    pair = Pair(lambda: Fate(lost=next(numbers) >= lost_from), [(10, 10)], config)
    assert not pair.run()
    assert pair.near.events[-1] == Disconnected("timeout", by_peer=False)
    kinds = [decode_frame(octets[1:-1]).kind for side, octets in pair.line.carried[lost_from:] if side == "near"]
    assert kinds == ([Kind.SNRM] * (retries + 1) if lost_from == 0 else [Kind.I] * (retries + 1) + [Kind.DISC])
    assert pair.line.now == pytest.approx(2.0 * (retries + 1), abs=0.1)


def test_a_slow_user_is_polled() -> None:
    """The secondary's user needs longer than the primary's patience: acknowledged, polled, and answered once."""
    config = LinkConfig(response_timeout_s=1.0, retries=2, inactivity_timeout_s=0)
    near, far = End(Role.PRIMARY, config), End(Role.SECONDARY, config)
    line = Line(near.station(), far.station())
    near.link.connect(0.0)
    line.run(lambda: near.link.state is State.CONNECTED)
    near.link.send(b"question", line.now)
    line.run(lambda: line.now > 10.0)
    assert near.link.state in (State.POLLING, State.AWAITING)
    far.link.send(b"answer", line.now)
    line.run(lambda: near.link.state is State.CONNECTED)
    assert (near.received, far.received) == ([b"answer"], [b"question"])


def test_inactivity_is_noticed_at_the_next_frame() -> None:
    config = LinkConfig(inactivity_timeout_s=20.0)
    near, far = End(Role.PRIMARY, config), End(Role.SECONDARY, config, answer=lambda _: b"")
    line = Line(near.station(), far.station())
    near.link.connect(0.0)
    line.run(lambda: far.lost)
    assert far.events[-1] == Disconnected(Reason.INACTIVITY, by_peer=False)
    assert line.now == pytest.approx(20.0, abs=0.1)
    near.link.send(b"late", line.now)
    line.run(lambda: near.lost)
    assert near.events[-1] == Disconnected(Reason.DISCONNECTED_MODE, by_peer=True)
    near.link.connect(line.now)
    line.run(lambda: near.link.state is State.CONNECTED)
    near.link.send(b"again", line.now)
    line.run(lambda: near.link.state is State.CONNECTED)
    assert far.received == [b"again"]
    with pytest.raises(LinkStateError):
        near.link.connect(line.now)
    assert sum(isinstance(event, Connected) for event in near.events) == 2
