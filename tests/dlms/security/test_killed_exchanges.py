"""Client and server are killed in the midst of protected exchanges; a recorder between them sees that no nonce comes twice.

`DLMS_KILLS=500 pytest tests/dlms/security/test_killed_exchanges.py` kills so often (on TCP; a fifth of it elsewhere), and
`DLMS_KILLS_SEED` makes it another campaign.  What comes twice and is allowed to: over HDLC a frame, octet for octet, on the
same connection; over UDP the answer to a doubled datagram, octet for octet, on the same connection.  Over TCP nothing.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dlms.security.store import SqliteCounterStore
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE
from tests.dlms.security.killed.campaign import BOUND_S, ROOT, Campaign
from tests.dlms.security.killed.plan import FILE_POINTS, POINTS, ROLES, Found, Plan, plans

SEED = int(os.environ.get("DLMS_KILLS_SEED", "1"))
KILLS = int(os.environ.get("DLMS_KILLS", "0"))
POISON = ("invocation counter", "no dedicated key", "authentication tag", "none of this association")
"""How a client refuses an old answer that is shown to it."""


def campaign(folder: Path, transport: str, suite: int, planned: list[Plan], **options: bool) -> tuple[Campaign, Found]:
    """A campaign that has come to its end."""
    made = Campaign(folder, transport, suite=suite, seed=SEED, **options)
    try:
        return made, made.run(planned)
    finally:
        made.close()


@pytest.mark.parametrize(
    ("transport", "suite", "kills", "rotating"),
    [
        pytest.param("tcp", 0, KILLS or 56, False, id="tcp"),
        pytest.param("tcp", 1, KILLS // 5 or 24, False, id="tcp, suite 1"),
        pytest.param("tcp", 0, KILLS // 5 or 20, True, id="tcp, keys rotating"),
        pytest.param("hdlc", 0, KILLS // 5 or 14, False, id="hdlc"),
        pytest.param("udp", 0, KILLS // 5 or 8, False, id="udp"),
    ],
)
def test_no_nonce_comes_twice_and_work_resumes(
    tmp_path: Path, transport: str, suite: int, kills: int, rotating: bool
) -> None:
    planned = plans(kills, random.Random(SEED), rotating=rotating)
    made, found = campaign(tmp_path, transport, suite, planned, rotating=rotating)
    assert (found.rotated > 0) == rotating
    recorder = made.recorder
    assert found.kills.total() == kills
    assert found.broken == []
    assert recorder.repeated == []
    assert recorder.unknown == []
    assert (recorder.same_message, made.line.repeated_frames) == (0, 0) or transport != "tcp"
    assert recorder.same_message > 0 or transport != "udp"
    assert recorder.proofs > kills
    assert len(recorder.seen) > 10 * kills
    assert len(found.resumed_s) == kills + 1
    assert max(found.resumed_s) < BOUND_S
    _at_most_once(found)
    _old_messages_were_refused(found, transport)
    _stores_know_what_was_sent(tmp_path, made)


def _at_most_once(found: Found) -> None:
    """What the device holds: nothing twice, everything that was confirmed, nothing that was not asked for."""
    assert max(found.did.values()) == 1
    assert found.done
    assert found.done <= set(found.did) <= found.tried


def _old_messages_were_refused(found: Found, transport: str) -> None:
    assert found.served == []
    if transport == "tcp":
        assert found.replayed["exception 6"] > 0
        assert found.replayed["association refused"] > 0
        assert found.refused == []
    if transport != "udp":  # there the association ends without a word when the server does
        assert [fault for fault in found.faults if not any(word in fault for word in POISON)] == []
        assert len(found.faults) <= found.poisoned


def _stores_know_what_was_sent(folder: Path, made: Campaign) -> None:
    """Each store opens, and its next numbers are beyond all that was seen, but not further than leases can be."""
    for role, title in (("client", CLIENT_TITLE), ("server", SERVER_TITLE)):
        with SqliteCounterStore.open(folder / f"{role}.counters") as store:
            free = max(value for name, value in store.series().items() if name.direction == "sent")
        last = made.recorder.last_sent(title)
        assert last < free <= last + 2 * made.block * made.lives


def test_the_plan_comes_to_every_point() -> None:
    names = {plan.name for plan in plans(56, random.Random(SEED))}
    assert {f"{role} {point}" for role in ROLES for point in POINTS} <= names
    assert {f"{when} pass {number}" for when in ("before", "after") for number in (3, 4)} <= names
    assert {"random client", "random server", "random client and server"} <= names
    names = {plan.name for plan in plans(72, random.Random(SEED), rotating=True)}
    assert {f"{role} {point}" for role in ROLES for point in FILE_POINTS} <= names


def test_a_store_that_forgets_is_found_out(tmp_path: Path) -> None:
    """The recorder is no ornament: with stores that keep nothing it sees nonces twice, and old messages served."""
    made, found = campaign(tmp_path, "tcp", 0, [Plan(ROLES, delay_s=0.02)] * 8, amnesic=True)
    assert made.recorder.repeated
    assert found.served


def test_a_store_killed_at_any_write_of_any_change_opens_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.dlms.security.killed.torture", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if not told["hooked"]:
        pytest.skip("this Python has SQLite built in, so that its writes cannot be reached")
    assert told["wrong"] == []
    assert min(told["killed"].values()) >= 4
