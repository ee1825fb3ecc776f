"""Scripts of operations over lines that lose, damage, cut, delay, double and reorder: what both ends hold to.

Whatever the line does: no script hangs; what succeeded was carried out; over HDLC and TCP nothing is carried out twice, and
what failed for sure was not carried out; over datagrams the client asks for nothing twice that changes something, and the
server carries out nothing twice.  With logical and with short names, plain and ciphered.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LinkError, OutcomeUnknown
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import WrapperClient, WrapperServer
from tests.dlms.plays import (
    FEWER,
    LN,
    LN_CIPHERED,
    LONG,
    MANY,
    ONLY_GENERAL,
    OWN_AND_GENERAL,
    RANDOM,
    SERVER,
    SN,
    SN_CIPHERED,
    VERBS,
    Kind,
    Play,
)
from tests.line import ARRIVES, Fate, Station

SCRIPTS = st.lists(st.sampled_from(VERBS), min_size=1, max_size=8)
BLOCKS = st.sampled_from((0, OWN_AND_GENERAL, ONLY_GENERAL))
PLAIN = pytest.mark.parametrize("kind", [LN, SN], ids=["ln", "sn"])
CIPHERED = pytest.mark.parametrize("kind", [LN_CIPHERED, SN_CIPHERED], ids=["ln", "sn"])


@pytest.fixture(autouse=True, scope="module")
def _the_same_each_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(secrets, "token_bytes", RANDOM.randbytes)
        yield


# --- HDLC -----------------------------------------------------------------------------------------------------------

LINE_FATES = st.one_of(
    st.just(ARRIVES),
    st.just(Fate(lost=True)),
    st.builds(lambda at, mask: Fate(damage=(at, mask)), st.integers(0, 200), st.integers(1, 255)),
    st.builds(lambda cut: Fate(cut=cut), st.integers(1, 150)),
    st.builds(lambda delay: Fate(delay_s=delay), st.sampled_from((0.1, 0.9, 1.1, 2.5, 5.0))),
)
ON_A_LINE = given(
    script=SCRIPTS, fates=st.lists(LINE_FATES, min_size=20, max_size=60), seed=st.integers(0, 40), blocks=BLOCKS
)


def hdlc(kind: Kind, script: list[str], fates: list[Fate], seed: int, blocks: int) -> None:
    """`seed` messages pass first, so that trouble begins anywhere."""
    play = Play(
        kind,
        lambda client: HdlcClient(client, SERVER),
        lambda: HdlcServer(server_saps=frozenset((SERVER,))),
        [ARRIVES] * seed + fates,
        blocks,
    )
    play.perform(script)
    play.check_reads()
    play.check_writes(at_most_once=True)
    play.check_that_both_ends_agree()
    play.check_writes(at_most_once=True)


@PLAIN
@MANY
@ON_A_LINE
def test_hdlc(kind: Kind, script: list[str], fates: list[Fate], seed: int, blocks: int) -> None:
    hdlc(kind, script, fates, seed, blocks)


@CIPHERED
@FEWER
@ON_A_LINE
def test_hdlc_ciphered(kind: Kind, script: list[str], fates: list[Fate], seed: int, blocks: int) -> None:
    hdlc(kind, script, fates, seed, blocks)


# --- TCP ------------------------------------------------------------------------------------------------------------


class Severed:
    """Octets pass until `budget` is used up; then the connection is gone."""

    def __init__(self, play: Play, budget: int) -> None:
        self.play, self.budget = play, budget
        play.line.near, play.line.far = self.cut(play.near()), self.cut(play.far())

    def cut(self, station: Station) -> Station:
        def receive(data: bytes, now: float) -> None:
            if self.budget > 0:
                station.receive_data(data[: self.budget], now)
            self.budget -= len(data)
            if self.budget <= 0:
                self.play.connection.line_lost("cut", now)

        return dataclasses.replace(station, receive_data=receive)


ON_A_STREAM = given(
    script=SCRIPTS,
    cuts=st.lists(st.integers(0, 80), max_size=60),
    budget=st.integers(100, 4000) | st.integers(4000, 9000),
    blocks=BLOCKS,
)


def tcp(kind: Kind, script: list[str], cuts: list[int], budget: int, blocks: int, parallel: int = 1) -> None:
    fates = [Fate(cut=cut) for cut in cuts]
    play = Play(kind, lambda client: WrapperClient(client, SERVER), WrapperServer, fates, blocks, parallel)
    severed = Severed(play, budget)
    if parallel == 1:
        play.perform(script)
        assert (play.connection.closed is not None) == (severed.budget <= 0)
    else:
        play.perform_at_once(script)
    play.check_reads()
    play.check_writes(at_most_once=True)
    if severed.budget > 0:
        assert all(done.error is None for done in play.done)
    play.serve()
    play.check_that_both_ends_agree(anew=True)
    play.check_writes(at_most_once=True)


@PLAIN
@MANY
@ON_A_STREAM
def test_tcp(kind: Kind, script: list[str], cuts: list[int], budget: int, blocks: int) -> None:
    tcp(kind, script, cuts, budget, blocks)


@CIPHERED
@FEWER
@ON_A_STREAM
def test_tcp_ciphered(kind: Kind, script: list[str], cuts: list[int], budget: int, blocks: int) -> None:
    tcp(kind, script, cuts, budget, blocks)


@MANY
@ON_A_STREAM
def test_tcp_in_parallel(script: list[str], cuts: list[int], budget: int, blocks: int) -> None:
    tcp(LN, script, cuts, budget, blocks, parallel=4)


# --- UDP ------------------------------------------------------------------------------------------------------------

LATENCY_S = 0.05


def datagram_fates(echoes: Sequence[float], delays: Sequence[float]) -> st.SearchStrategy[Fate]:
    """What datagrams may suffer; a copy comes so much later than the first, a late one so much later than others."""
    return st.one_of(
        st.just(ARRIVES),
        st.just(Fate(lost=True)),
        st.builds(lambda echo: Fate(copies=2, echo_s=echo), st.sampled_from(echoes)),
        st.builds(lambda delay: Fate(delay_s=delay), st.sampled_from(delays)),
    )


FATES = datagram_fates((0.0, 0.05, 0.3, 0.9), (0.05, 0.3, 0.9, 1.2))
"""No datagram is so late that the server has heard `REMEMBERED` other requests meanwhile."""
NEAR_FATES = datagram_fates((0.0, 0.05, 0.09), (0.05, 0.15))
"""No copy of a request or an answer is later than `COPY_S`: without invoke-ids nothing else tells them apart."""


def over_datagrams(kind: Kind, fates: Sequence[Fate], blocks: int = 0, parallel: int = 1) -> Play:
    return Play(
        kind,
        lambda client: WrapperClient(client, SERVER, datagrams=True),
        lambda: WrapperServer(datagrams=True),
        fates,
        blocks,
        parallel,
        latency_s=LATENCY_S,
        overtakes=True,
    )


def in_datagrams(fates: st.SearchStrategy[Fate]) -> Callable[..., Any]:
    return given(script=SCRIPTS, fates=st.lists(fates, min_size=20, max_size=60), seed=st.integers(0, 40))


def check(play: Play) -> None:
    """What holds over datagrams, now and when all that is late has come."""
    play.check_reads()
    play.check_writes(at_most_once=True)
    if not play.kind.context.ciphered:
        play.check_that_nothing_changes_by_repetition()
    play.check_that_both_ends_agree()
    play.check_writes(at_most_once=True)


def udp(kind: Kind, script: list[str], fates: list[Fate], seed: int) -> None:
    play = over_datagrams(kind, [ARRIVES] * seed + fates)
    play.perform(script)
    check(play)


@MANY
@in_datagrams(FATES)
def test_udp(script: list[str], fates: list[Fate], seed: int) -> None:
    udp(LN, script, fates, seed)


@MANY
@in_datagrams(NEAR_FATES)
def test_udp_with_short_names(script: list[str], fates: list[Fate], seed: int) -> None:
    udp(SN, script, fates, seed)


@CIPHERED
@FEWER
@in_datagrams(FATES)
def test_udp_ciphered(kind: Kind, script: list[str], fates: list[Fate], seed: int) -> None:
    udp(kind, script, fates, seed)


@MANY
@in_datagrams(FATES)
def test_udp_in_parallel(script: list[str], fates: list[Fate], seed: int) -> None:
    play = over_datagrams(LN, [ARRIVES] * seed + fates, parallel=4)
    play.perform_at_once(script)
    check(play)


BLOCK_FATES = st.sampled_from((ARRIVES, ARRIVES, Fate(lost=True), Fate(copies=2)))


@PLAIN
@FEWER
@given(
    script=SCRIPTS,
    fates=st.lists(BLOCK_FATES, min_size=20, max_size=80),
    seed=st.integers(0, 40),
    blocks=st.sampled_from((OWN_AND_GENERAL, ONLY_GENERAL)),
)
def test_udp_in_general_blocks(kind: Kind, script: list[str], fates: list[Fate], seed: int, blocks: int) -> None:
    """Loss and doubling, but nothing later than the transfer after its own: blocks do not say to which they belong."""
    play = over_datagrams(kind, [ARRIVES] * seed + fates, blocks)
    play.perform(script)
    play.check_reads()
    play.check_writes(at_most_once=True)
    play.check_that_both_ends_agree()


def test_udp_recovers_each_lost_block() -> None:
    """A long write and a long read in general blocks on a line that loses every fourth datagram."""
    play = over_datagrams(LN, ([ARRIVES] * 3 + [Fate(lost=True)]) * 100, ONLY_GENERAL)
    assert play.open()
    for _ in range(5):
        play.step("set-long")
        play.step("get-long")
    outcomes = [done.error for done in play.done]
    assert outcomes == [None] * 10
    assert set(play.store.ran.values()) == {1}


def test_udp_brings_a_block_of_the_value_before() -> None:
    """The first block of one value comes again while another is written: the two must not be mixed."""
    play = over_datagrams(LN, [ARRIVES] * 18 + [Fate(copies=2, echo_s=0.9), Fate(delay_s=0.3)])
    assert play.open()
    for verb in ("get-long", "set-long", "get-long", "set-long"):
        play.step(verb)
    play.check_writes(at_most_once=True)
    assert [done.error for done in play.done] == [None] * 4
    assert set(play.store.values[LONG.value]) == {4}


def test_udp_loses_the_answer_to_a_write() -> None:
    play = over_datagrams(LN, [ARRIVES] * 3 + [Fate(lost=True)])
    assert play.open()
    play.step("set")
    assert isinstance(play.done[0].error, OutcomeUnknown)
    assert play.store.ran == {1: 1}
    play.step("set")
    assert play.done[1].error is None
    assert play.store.ran == {1: 1, 2: 1}


def test_udp_loses_reads_and_they_come_all_the_same() -> None:
    play = over_datagrams(LN, [Fate(lost=True), ARRIVES, ARRIVES, Fate(lost=True), ARRIVES, Fate(lost=True)])
    assert play.open()
    play.step("get")
    assert play.done[0].ticket.result() == 1234
    assert len(play.line.carried) == 8


def test_a_server_that_is_silent_for_ever_ends_every_script() -> None:
    play = over_datagrams(LN, [ARRIVES] * 2 + [Fate(lost=True)] * 500)
    assert play.open()
    for verb in VERBS:
        play.step(verb)
    for done in play.done:
        kind = LinkError if done.verb.startswith("get") else OutcomeUnknown
        assert type(done.error) is kind
    with pytest.raises(OutcomeUnknown, match="within 4 s"):
        play.done[-1].ticket.result()
