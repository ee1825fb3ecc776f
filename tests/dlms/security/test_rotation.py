"""Changing keys: every cell of the table, what each step leaves in the file, and no key lost wherever it is killed."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import agreement, points, rotation, signature
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeyMaterialError, KeySet, NextKey, Phase, Secret
from dlms.security.rotation import KEY_IDS, TABLE, Candidate, KeyChange, Rotation
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from dlms.security.wrap import unwrap
from tests.dlms.security.published import CLIENT_TITLE, SERVER_TITLE

SUITES = (SUITE_0, SUITE_1, SUITE_2)
BOTH = ("encryption", "authentication")


def key_set(size: int = 16) -> KeySet:
    return KeySet(b"e" * size, b"b" * size, b"a" * size, b"m" * size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    devices = {f"suite {suite.id}": DeviceKeys(key_set(suite.key_length), suite) for suite in SUITES}
    KeyFile(devices).save(file)
    return file


def device(path: Path, suite: int = 0) -> DeviceKeys:
    return KeyFile.load(path)[f"suite {suite}"]


def in_phase(phase: Phase | None, name: str = "encryption") -> DeviceKeys:
    size = 32 if phase is Phase.AGREEING else 16
    pending = {} if phase is None else {name: NextKey(Secret(b"n" * size), phase)}
    return DeviceKeys(key_set(), SUITE_1, next=pending)


def test_the_table_is_the_one_that_is_printed():
    rows = [line for line in (rotation.__doc__ or "").splitlines() if line.startswith("|")]
    head, *body = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows if "--" not in row)
    printed: dict[str, dict[Phase | None, Phase | None]] = {step: {} for step in head[2:]}

    def phase(cell: str) -> Phase | None:
        return None if cell == "none" else Phase[cell]

    for before, _, *cells in body:
        for step, cell in zip(head[2:], cells, strict=True):
            if cell:
                printed[step][phase(before)] = phase(cell)
    assert printed == TABLE


@pytest.mark.parametrize("phase", [None, *Phase])
@pytest.mark.parametrize("step", [step for step in TABLE if step not in ("begin", "agree", "agreed")])
def test_every_cell(step, phase):
    before = in_phase(phase)
    if phase not in TABLE[step]:
        for names in (None, ["encryption"]):
            with pytest.raises(LocalProtocolError, match=f"{step} is not possible"):
                rotation.moved(before, step, names)
        return
    after = rotation.moved(before, step, ["encryption"])
    assert rotation.moved(before, step) == after
    assert rotation.phases(after).get("encryption") == TABLE[step][phase]
    assert after.keys == (before.keys.replace(encryption=b"n" * 16) if step == "activate" else before.keys)


@pytest.mark.parametrize("phase", [None, *Phase])
def test_begin_resumes_and_never_makes_a_second_next(phase):
    before = in_phase(phase)
    if phase not in TABLE["begin"]:
        with pytest.raises(LocalProtocolError, match="begin is not possible"):
            rotation.begun(before, {"encryption": None})
        return
    after = rotation.begun(before, {"encryption": None})
    assert rotation.phases(after) == {"encryption": TABLE["begin"][phase]}
    if phase is not None:
        assert after.next == before.next
        assert rotation.begun(before, {"encryption": b"n" * 16}) == after
        with pytest.raises(LocalProtocolError, match="another encryption key is on its way"):
            rotation.begun(before, {"encryption": b"x" * 16})


def test_every_phase_and_step_is_in_use():
    assert {phase for cells in TABLE.values() for phase in cells} == {None, *Phase}
    assert all(set(cells.values()) for cells in TABLE.values())


def test_what_the_meter_accepts_is_always_a_candidate():
    """Every state that can be reached beside a meter that takes what is sent to it or does not; proofs are true."""
    seen: set[tuple[Phase | None, bool]] = set()
    left = [(DeviceKeys(key_set(), SUITE_0), False)]
    while left:
        held, meter_has_next = left.pop()
        pending = held.next.get("encryption")
        if (pending and pending.phase, meter_has_next) in seen:
            continue
        seen.add((pending and pending.phase, meter_has_next))
        meter = pending.key if pending and meter_has_next else held.keys.encryption
        accepted = [one.keys.encryption for one in rotation.candidates(held)]
        assert meter in accepted
        for step in TABLE.keys() - {"agree", "agreed"}:
            if {"proven": not meter_has_next, "unchanged": meter_has_next}.get(step):
                continue
            for taken in (False, True):
                try:
                    after = (
                        rotation.begun(held, {"encryption": None}) if step == "begin" else rotation.moved(held, step)
                    )
                except LocalProtocolError:
                    continue
                left_over = after.next.get("encryption")
                has_next = meter_has_next or (taken and step == "transfer")
                if left_over is None:
                    assert after.keys.encryption == meter, f"{step} has lost the key"
                    has_next = False
                left.append((after, has_next))
    assert seen == {
        (None, False),
        (Phase.STORED, False),
        (Phase.SENT, False),
        (Phase.SENT, True),
        (Phase.PROVEN, True),
    }


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"suite {suite.id}")
@pytest.mark.parametrize("names", [*((name,) for name in KEY_IDS), BOTH, ("encryption", "broadcast", "authentication")])
def test_a_whole_change(path, suite, names):
    change = Rotation(path, f"suite {suite.id}")
    old = device(path, suite.id)
    assert change.begin(names) == dict.fromkeys(names, Phase.STORED)
    stored = device(path, suite.id)
    assert (stored.keys, change.phases()) == (old.keys, dict.fromkeys(names, Phase.STORED))
    sent = change.transfer()
    assert change.phases() == dict.fromkeys(names, Phase.SENT)
    assert [one.key_id for one in sent] == [KEY_IDS[name] for name in stored.next]
    for one, name in zip(sent, stored.next, strict=True):
        assert unwrap(Secret(b"m" * suite.key_length), one.wrapped, suite) == stored.next[name].key
    change.proven()
    assert device(path, suite.id).keys == old.keys
    change.activate()
    after = device(path, suite.id)
    assert after.keys == old.keys.replace(**{name: stored.next[name].key for name in names})
    assert after.next == {}
    for other in SUITES:
        if other is not suite:
            assert device(path, other.id).keys == key_set(other.key_length)


def test_new_keys_come_from_the_system(path, monkeypatch):
    monkeypatch.setattr(rotation.secrets, "token_bytes", lambda size: b"r" * size)
    Rotation(path, "suite 2").begin(["encryption"])
    assert device(path, 2).next["encryption"].key == Secret(b"r" * 32)


def test_given_keys_are_taken(path):
    change = Rotation(path, "suite 0")
    change.begin({"encryption": b"g" * 16, "authentication": None})
    assert device(path).next["encryption"].key == Secret(b"g" * 16)


def test_steps_are_in_the_file_before_anything_can_be_sent(path, monkeypatch):
    change = Rotation(path, "suite 0")
    change.begin(["encryption"])

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dlms.security.store.os.fsync", fail)
        with pytest.raises(LocalProtocolError, match="No space left"):
            change.transfer()
    assert change.phases() == {"encryption": Phase.STORED}
    assert sorted(one.name for one in path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


@pytest.mark.parametrize(
    ("new", "kind", "reason"),
    [
        ({}, LocalProtocolError, "no key was named"),
        ({"dedicated": None}, LocalProtocolError, "'dedicated' is no key that can be changed"),
        ({"encryption": b"g" * 15}, KeyMaterialError, "15 octets; security suite 0 wants 16"),
        ({"encryption": b"g" * 32}, KeyMaterialError, "32 octets"),
        ({"encryption": b"e" * 16}, KeyMaterialError, "not new"),
        ({"encryption": b"m" * 16}, KeyMaterialError, "not new"),
        ({"encryption": b"g" * 16, "broadcast": b"g" * 16}, KeyMaterialError, "not new"),
        ({"encryption": None, "master": None}, LocalProtocolError, "changed alone"),
    ],
)
def test_what_cannot_begin_leaves_the_file_as_it_was(path, new, kind, reason):
    before = path.read_bytes()
    with pytest.raises(kind, match=reason) as refusal:
        Rotation(path, "suite 0").begin(new)
    assert "g" * 15 not in str(refusal.value)
    assert path.read_bytes() == before


def test_the_master_key_is_changed_alone_also_later(path):
    change = Rotation(path, "suite 0")
    change.begin(["master"])
    with pytest.raises(LocalProtocolError, match="changed alone"):
        change.begin(["encryption"])
    with pytest.raises(LocalProtocolError, match="changed alone"):
        change.agree("encryption", bytes)
    change.cancel()
    change.begin(["encryption"])
    with pytest.raises(LocalProtocolError, match="changed alone"):
        change.begin(["master"])


def test_a_master_key_is_needed(tmp_path):
    file = tmp_path / "keys.json"
    KeyFile({"m": DeviceKeys(KeySet(b"e" * 16), SUITE_1)}).save(file)
    with pytest.raises(KeyMaterialError, match="no master key"):
        Rotation(file, "m").begin(["encryption"])
    with pytest.raises(KeyMaterialError, match="no master key"):
        Rotation(file, "m").agree("encryption", bytes)
    with pytest.raises(KeyMaterialError, match="no device 'n'"):
        Rotation(file, "n").begin(["encryption"])


def test_a_master_key_whose_answer_was_lost(path):
    change = Rotation(path, "suite 0")
    change.begin(["master"])
    (first,) = change.transfer()
    (again,) = change.transfer(under_next=True)
    new = device(path).next["master"].key
    assert unwrap(Secret(b"m" * 16), first.wrapped, SUITE_0) == new == unwrap(new, again.wrapped, SUITE_0)
    assert [one.keys.master for one in change.candidates(["master"])] == [new, Secret(b"m" * 16)]
    assert [one.keys for one in change.candidates()] == [key_set()]
    other = Rotation(path, "suite 1")
    other.begin(["encryption"])
    with pytest.raises(LocalProtocolError, match="master key is not being changed"):
        other.transfer(under_next=True)
    assert other.phases() == {"encryption": Phase.STORED}


def test_candidates_after_each_phase(path):
    change = Rotation(path, "suite 0")
    old = key_set()
    assert change.candidates() == (Candidate(old, frozenset()),)
    change.begin(BOTH)
    assert change.candidates() == (Candidate(old, frozenset()),)
    change.transfer()
    new = {name: one.key for name, one in device(path).next.items()}
    order = [BOTH, (), ("encryption",), ("authentication",)]
    found = change.candidates()
    assert {one.next for one in found} == {frozenset(names) for names in order}
    assert [one.next for one in found][:2] == [frozenset(BOTH), frozenset()]
    for one in found:
        assert one.keys == old.replace(**{name: new[name] for name in one.next})
    change.proven(["encryption"])
    assert [one.next for one in change.candidates()] == [frozenset(BOTH), frozenset(["encryption"])]
    change.proven()
    assert [one.next for one in change.candidates()] == [frozenset(BOTH)]
    change.activate()
    assert change.candidates() == (Candidate(old.replace(**new), frozenset()),)


@pytest.mark.parametrize(
    "taken", [frozenset(names) for size in range(3) for names in itertools.combinations(BOTH, size)]
)
def test_the_candidate_that_worked_settles_it(path, taken):
    change = Rotation(path, "suite 0")
    change.begin(BOTH)
    change.transfer()
    change.accepted(next(one for one in change.candidates() if one.next == taken))
    assert change.phases() == {name: Phase.PROVEN if name in taken else Phase.STORED for name in BOTH}
    if taken:
        change.activate()
    assert set(change.phases()) == set(BOTH) - taken


def test_accepted_speaks_of_the_keys_that_an_association_uses(path):
    change = Rotation(path, "suite 0")
    change.begin([*BOTH, "broadcast"])
    change.transfer()
    change.accepted(change.candidates()[0])
    assert change.phases()["broadcast"] is Phase.SENT
    change = Rotation(path, "suite 1")
    change.begin(BOTH)
    change.transfer()
    change.accepted(change.candidates()[0], ["encryption"])
    assert change.phases() == {"encryption": Phase.PROVEN, "authentication": Phase.SENT}


def test_keys_have_the_numbers_of_the_book():
    assert KEY_IDS == {"encryption": 0, "broadcast": 1, "authentication": 2, "master": 3}


def test_unchanged_goes_back_to_what_was_stored(path):
    change = Rotation(path, "suite 0")
    change.begin(BOTH)
    change.transfer()
    new = device(path).next
    change.unchanged(["encryption"])
    assert change.phases() == {"encryption": Phase.STORED, "authentication": Phase.SENT}
    change.unchanged()
    assert change.phases() == dict.fromkeys(BOTH, Phase.STORED)
    assert {name: one.key for name, one in device(path).next.items()} == {name: one.key for name, one in new.items()}
    change.cancel()
    assert device(path).keys == key_set()


def test_some_can_be_named(path):
    change = Rotation(path, "suite 0")
    change.begin(BOTH)
    assert [one.key_id for one in change.transfer(["authentication"])] == [2]
    assert change.phases() == {"encryption": Phase.STORED, "authentication": Phase.SENT}
    change.cancel()
    assert change.phases() == {"authentication": Phase.SENT}
    with pytest.raises(LocalProtocolError, match="authentication key is sent: cancel is not possible"):
        change.cancel(["authentication"])
    with pytest.raises(LocalProtocolError, match="authentication is sent"):
        change.cancel()
    with pytest.raises(LocalProtocolError, match="encryption key is not being changed"):
        change.proven(["encryption", "authentication"])
    assert change.phases() == {"authentication": Phase.SENT}


def parties(suite):
    """Each side's signing function and the other's verification."""
    pairs = {}
    for number, side in enumerate(("client", "meter"), 1):
        key = points.private_key(Secret(bytes([number]) * suite.coordinate_length), suite)
        pairs[side] = (
            functools.partial(signature.sign, key, suite),
            functools.partial(signature.verify, key.public_key(), suite),
        )
    return pairs


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: f"suite {suite.id}")
@pytest.mark.parametrize("name", KEY_IDS)
def test_key_agreement(path, suite, name):
    change, sides = Rotation(path, f"suite {suite.id}"), parties(suite)
    ours = change.agree(name, sides["client"][0])
    assert change.phases() == {name: Phase.AGREEING}
    assert [one.keys for one in change.candidates()] == [device(path, suite.id).keys]
    # the meter
    assert ours.key_id == KEY_IDS[name]
    point = agreement.verified_ephemeral(ours.wrapped, suite, sides["client"][1], ours.key_id)
    own = points.generate(suite)
    of = agreement.wrapping_algorithm if name == "master" else agreement.encryption_algorithm
    theirs = agreement.agree(own, point, suite, CLIENT_TITLE, SERVER_TITLE, algorithm=of(suite))
    answer = agreement.signed_ephemeral(own.public_key(), suite, sides["meter"][0], ours.key_id)
    # and we, after a restart
    change = Rotation(path, f"suite {suite.id}")
    with pytest.raises(SecurityError, match="signature does not fit"):
        change.agreed(name, answer[:-1] + bytes([answer[-1] ^ 1]), sides["meter"][1], CLIENT_TITLE, SERVER_TITLE)
    assert change.phases() == {name: Phase.AGREEING}
    change.agreed(name, answer, sides["meter"][1], CLIENT_TITLE, SERVER_TITLE)
    assert change.phases() == {name: Phase.SENT}
    assert device(path, suite.id).next[name].key == theirs
    change.proven()
    change.activate()
    assert getattr(device(path, suite.id).keys, name) == theirs


def test_an_agreed_key_is_new_too(path):
    change, sides = Rotation(path, "suite 1"), parties(SUITE_1)
    ours = change.agree("encryption", sides["client"][0])
    own = points.generate(SUITE_1)
    key = agreement.agree(own, ours.wrapped[:64], SUITE_1, CLIENT_TITLE, SERVER_TITLE)
    with KeyFile.edit(path) as file:
        file.devices["suite 1"] = file["suite 1"].with_secret("broadcast", key)
    answer = agreement.signed_ephemeral(own.public_key(), SUITE_1, sides["meter"][0], 0)
    with pytest.raises(KeyMaterialError, match="not new"):
        change.agreed("encryption", answer, sides["meter"][1], CLIENT_TITLE, SERVER_TITLE)
    assert change.phases() == {"encryption": Phase.AGREEING}


def test_an_agreement_that_led_to_nothing(path):
    change = Rotation(path, "suite 1")
    change.agree("encryption", parties(SUITE_1)["client"][0])
    for step in (change.cancel, change.transfer, change.proven, change.activate):
        with pytest.raises(LocalProtocolError, match="not possible"):
            step()
    pending = KeyFile.load(path)["suite 1"].next
    change.agree("encryption", parties(SUITE_1)["client"][0])
    again = KeyFile.load(path)["suite 1"].next
    assert change.phases() == {"encryption": Phase.AGREEING}
    assert again != pending, "the key of a lost agreement is not used again"
    change.accepted(change.candidates()[0])
    assert change.phases() == {}
    with pytest.raises(LocalProtocolError, match="agreed is not possible"):
        change.agreed("encryption", b"", lambda *_: None, CLIENT_TITLE, SERVER_TITLE)


def test_suite_0_has_no_agreement(path):
    with pytest.raises(LocalProtocolError, match="suite 0 has no public key"):
        Rotation(path, "suite 0").agree("encryption", bytes)


def test_an_agreement_without_proof_never_reaches_the_file(path):
    def refuse(data: bytes) -> bytes:
        raise KeyMaterialError("no signing key is known")

    with pytest.raises(KeyMaterialError, match="no signing key"):
        Rotation(path, "suite 1").agree("encryption", refuse)
    assert Rotation(path, "suite 1").phases() == {}


def test_nothing_shows_a_key(path):
    change = Rotation(path, "suite 0")
    change.begin({"encryption": bytes.fromhex("c0ffee00c0ffee11c0ffee22c0ffee33")})
    shown = f"{change!r} {change.candidates()!r} {device(path)!r} {KeyChange(0, b'')!r}"
    change.transfer()
    shown += f"{change.candidates()!r}"
    assert "c0ffee" not in shown.lower()
    assert "\\xc0\\xff" not in shown


KILLED = Path(__file__).with_name("rotation_killed.py")


def test_no_key_is_lost_wherever_it_is_killed(tmp_path):
    """One process that forks another for every system call of a change, kills it there and lets the next go on."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.dlms.security.rotation_killed", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["lost"] == []
    assert report["killed"] >= 200
    assert report["candidates"] == ["ACTIVE", "NEXT"]
