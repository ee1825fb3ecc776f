"""Keys changed over live associations: every kind, meters that refuse or are late, lines that are cut, ends that are killed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dlms.client import connect
from dlms.endpoint import listen, server_framing
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import (
    AccessError,
    AssociationRefused,
    DlmsError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    SecurityError,
)
from dlms.live_rotation import LiveRotation, dialling
from dlms.media import Medium
from dlms.security import agreement
from dlms.security.counters import MemoryCounterStore
from dlms.security.keyfile import KeyFile
from dlms.security.keys import Phase, Secret
from dlms.security.policy import KEY_IDS, Envelope, Protection
from dlms.security.rotation import Candidate, Rotation
from dlms.security.store import PrivateFileError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from dlms.serve import serve
from dlms.server import Session
from dlms.server.reach import Reach
from tests.dlms import live_rotation_killed
from tests.dlms.kept import MANAGER, METER, NAME, SETUP, Files, device, setup_object
from tests.dlms.served import memory_name
from tests.dlms.server.devices import ENERGY, SERVER

PAIR = ("encryption", "authentication")
ROOT = Path(__file__).parents[2]


class Cut:
    """A medium whose peer hangs up instead of the answer with this number."""

    def __init__(self, medium: Medium, of: Bench) -> None:
        self.medium, self.bench = medium, of

    def send(self, data: bytes) -> None:
        if self.bench.cut and self.bench.called:
            self.bench.cut, self.bench.called = self.bench.cut - 1, False
            raise LinkError("cut")
        self.medium.send(data)

    def receive(self, timeout_s: float | None) -> bytes:
        return self.medium.receive(timeout_s)

    def close(self) -> None:
        self.medium.close()


@dataclasses.dataclass
class Bench:
    """A meter with its keys in a file, and a client with its own."""

    folder: Path
    suite: SecuritySuite
    mechanism: Mechanism = Mechanism.HLS_GMAC
    context: ApplicationContext = ApplicationContext.LN_CIPHERED
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    cut: int = 0
    """How many answers to calls are lost with the line."""
    called: bool = False
    delay_s: float = 0.0
    pauses: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.files = Files.of(self.suite)
        self.paths = self.files.save(self.folder)
        self.before = self.keys("client")
        self.client_store, self.meter_store = MemoryCounterStore(), MemoryCounterStore()
        self.setup = self.files.setup(self.meter_store, self.paths[1], **self.options)
        self.setup.changed = self._changed
        self.device = device(self.setup, self.mechanism, self.context)
        self.rotation = Rotation(self.paths[0], NAME)

    def _changed(self) -> None:
        self.called = True
        delay, self.delay_s = self.delay_s, 0.0
        time.sleep(delay)

    @contextlib.contextmanager
    def serving(self, scheme: str = "memory") -> Iterator[Bench]:
        options = {"server_saps": frozenset((SERVER,))} if scheme == "hdlc" else {}

        def handle(medium: Medium) -> None:
            serve(Session({None: self.device}, server_framing(self.url, **options)), Cut(medium, self))

        self.url = memory_name() if scheme == "memory" else f"{scheme}://127.0.0.1:0"
        listener = listen(self.url, handle)
        self.url = listener.url
        try:
            yield self
        finally:
            listener.close()

    def live(self, **options: Any) -> LiveRotation:
        security = self.files.security(self.client_store)
        given = {"client": MANAGER, "server": SERVER, "auth": self.mechanism, "timeout_s": 5.0} | options
        if self.context.short_names:
            given["context"] = ApplicationContext.SN
        return LiveRotation(self.rotation, dialling(self.url, security, **given), pause=self._paused)

    def _paused(self) -> None:
        self.pauses += 1

    def keys(self, end: str) -> dict[str, Secret | None]:
        held = KeyFile.load(self.paths[end == "meter"])[NAME]
        return {name: getattr(held.keys, name) for name in KEY_IDS} | {"secret": held.secret}

    def changed(self) -> set[str]:
        """The keys that are other ones now; both ends have the same, and nothing is pending."""
        assert self.rotation.phases() == {}
        assert self.keys("client") == self.keys("meter")
        return {name for name, key in self.keys("client").items() if key != self.before[name]}

    def untouched(self) -> bool:
        return self.changed() == set()


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Any]:
    def made(suite: SecuritySuite = SUITE_0, *arguments: Any, **options: Any) -> Any:
        return Bench(tmp_path, suite, *arguments, **options).serving()

    return made


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1, SUITE_2], ids=lambda suite: f"suite {suite.id}")
@pytest.mark.parametrize(
    "names", [("encryption",), ("authentication",), PAIR, ("broadcast",), ("master",), tuple(KEY_IDS)], ids="-".join
)
def test_keys_are_changed(bench, suite, names):
    with bench(suite) as on:
        on.live().change(names)
        assert on.changed() == set(names)
        on.live().change(names)
        assert on.changed() == set(names)


SN = ApplicationContext.SN_CIPHERED


def test_keys_are_changed_with_short_names(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA, SN) as on:
        on.live().agree("encryption")
        on.live().change(("authentication", "broadcast", "master"))
        assert on.changed() == set(KEY_IDS)


@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_SHA256])
def test_secrets_are_changed_with_short_names(bench, mechanism):
    with bench(SUITE_0, mechanism, SN) as on:
        on.live().change(["secret"])
        assert on.changed() == {"secret"}


def test_keys_are_changed_over_hdlc(tmp_path):
    of = Bench(tmp_path, SUITE_1, Mechanism.HLS_ECDSA)
    with of.serving("hdlc") as on:
        on.live().agree("encryption")
        on.live().change(("authentication", "master"))
        assert on.changed() == {"encryption", "authentication", "master"}


SECRETS = (Mechanism.LLS, Mechanism.HLS, Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256)


@pytest.mark.parametrize("mechanism", SECRETS)
def test_secrets_are_changed(bench, mechanism):
    with bench(SUITE_0, mechanism) as on:
        on.live().change(["secret"])
        assert on.changed() == {"secret"}
        on.live().change({"secret": b"chosen", "encryption": None})
        assert on.changed() == {"secret", "encryption"}
        assert on.keys("meter")["secret"] == Secret(b"chosen")


def test_there_is_no_secret_where_keys_are_proven(bench):
    with bench() as on:
        with pytest.raises(LocalProtocolError, match="without a password or a secret"):
            on.live().change(["secret"])
        assert on.untouched()


def test_given_keys_are_put_in_force(bench):
    with bench() as on:
        on.live().change({"encryption": b"n" * 16, "broadcast": None})
        assert on.changed() == {"encryption", "broadcast"}
        assert on.keys("client")["encryption"] == Secret(b"n" * 16)


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: f"suite {suite.id}")
@pytest.mark.parametrize("name", ["encryption", "broadcast", "master"])
def test_keys_are_agreed_on(bench, suite, name):
    with bench(suite, Mechanism.HLS_ECDSA) as on:
        on.live().agree(name)
        assert on.changed() == {name}


def test_counters_begin_again_under_a_new_key(bench):
    with bench() as on:
        on.live().change(PAIR)
        provider = on.setup.provider
        first = on.meter_store.series()
        key = provider.fingerprint()
        assert {name.direction: value for name, value in first.items() if name.fingerprint == key}["accepted"] < 10
        assert all(value <= 64 for name, value in first.items() if name.fingerprint == key)


def test_the_answer_comes_under_the_old_key_and_the_next_request_needs_the_new_one(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        live = on.live()
        (old,) = on.rotation.candidates()
        on.rotation.begin(["encryption"])
        with live._dial(old, None) as client:
            live._call(client, on.rotation.transfer())
            with pytest.raises(DlmsError):
                client.get(ENERGY.value)
        with pytest.raises(AssociationRefused):
            live._dial(old, None)
        live.finish()
        assert on.changed() == {"encryption"}


def test_an_agreed_key_holds_from_the_next_request_on(bench):
    with bench(SUITE_1) as on:
        live, rotation, old = on.live(), on.rotation, on.setup.provider.fingerprint()
        with live._dialled(live._known()) as client:
            channel = client.connection.channel
            part = rotation.agree("encryption", channel.provider.sign)
            ((_, answer),) = client.call(live.setup.key_agreement, [(0, part.wrapped)])  # it opens under the old key
            verify = partial(channel.provider.verify, METER)
            rotation.agreed("encryption", answer, verify, channel.own_title, METER)
            with pytest.raises(DlmsError):
                client.get(ENERGY.value)
        new = on.setup.provider.fingerprint()
        assert new != old
        assert not any(name.fingerprint == new for name in on.meter_store.series()), "its counters have not begun"
        live.finish()
        assert on.changed() == {"encryption"}
        assert min(value for name, value in on.meter_store.series().items() if name.fingerprint == new) < 10


def test_the_authentication_key_is_not_agreed_on(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        with pytest.raises(LocalProtocolError, match="no way leads back"):
            on.live().agree("authentication")
        assert on.untouched()


def test_the_key_that_authenticates_is_not_agreed_on(bench):
    with bench(SUITE_1) as on:
        with pytest.raises(LocalProtocolError, match="no way leads back"):
            on.live().agree("encryption")
        assert on.untouched()


# a meter that has no general-protection


def without_general_protection(on: Bench) -> None:
    granted = on.device.associations[MANAGER, SERVER]
    conformance = granted.conformance & ~Conformance.GENERAL_PROTECTION
    on.device.associations[MANAGER, SERVER] = dataclasses.replace(granted, conformance=conformance)


@pytest.mark.parametrize("cut", [0, 1], ids=["answered", "cut"])
def test_a_master_key_is_proven_by_a_transfer_under_itself(bench, cut):
    with bench() as on:
        without_general_protection(on)
        on.cut = cut
        transferred, transfer = [], on.setup.keys.transfer
        on.setup.keys.transfer = lambda wrapped: (transferred.append(wrapped), transfer(wrapped))
        if cut:
            with pytest.raises(DlmsError):
                on.live().change(["master"])
            assert on.rotation.phases() == {"master": Phase.SENT}
        on.live().change(["master"])
        assert on.changed() == {"master"}
        assert len(transferred) == (4 if cut else 2), "once, refused and under itself after the cut, and for the proof"


def test_no_encryption_key_is_agreed_on_where_no_way_leads_back(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        without_general_protection(on)
        with pytest.raises(DlmsError, match="general-protection"):
            on.live().agree("encryption")
        assert on.untouched()
        on.live().agree("broadcast")
        on.live().agree("master")
        assert on.changed() == {"broadcast", "master"}


# what the meter refuses


def test_a_refused_change_is_taken_back(bench):
    with bench() as on:
        rights = on.device.associations[MANAGER, SERVER].objects[64, SETUP]
        forbidden = dataclasses.replace(rights, rights=dataclasses.replace(rights.rights, methods=frozenset()))
        on.device.associations[MANAGER, SERVER].objects[64, SETUP] = forbidden
        for names in (PAIR, ("broadcast",), ("master",)):
            with pytest.raises(AccessError, match="read-write-denied"):
                on.live().change(names)
            assert on.untouched()
        assert on.pauses == 0, "no other keys were tried"


def test_a_meter_with_another_master_key_refuses(bench):
    with bench() as on:
        keys = KeyFile.load(on.paths[0])
        keys.devices[NAME] = dataclasses.replace(keys[NAME], keys=keys[NAME].keys.replace(master=b"x" * 16))
        keys.save(on.paths[0], replace=True)
        for names in (PAIR, ("broadcast",), ("master",)):
            with pytest.raises(AccessError, match="other-reason"):
                on.live().change(names)
            assert on.rotation.phases() == {}
        assert on.keys("meter") == on.before


def test_a_refused_agreement_is_taken_back(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        on.setup.keys = None
        for name in ("encryption", "broadcast", "master"):
            with pytest.raises(AccessError):
                on.live().agree(name)
            assert on.rotation.phases() == {}


@pytest.mark.parametrize("name", ["encryption", "broadcast", "master"])
@pytest.mark.parametrize("agreed", [False, True], ids=["sent", "agreed"])
def test_a_meter_that_fails_may_have_kept_the_key(bench, monkeypatch, name, agreed):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        method = "agree" if agreed else "transfer"
        kept = getattr(on.setup.keys, method)

        def failing(*arguments: Any) -> Any:
            kept(*arguments)
            on.setup.provider = on.setup.keys.provider
            raise PrivateFileError("the disk has failed")

        monkeypatch.setattr(on.setup.keys, method, failing)
        change = on.live().agree if agreed else lambda one: on.live().change([one])
        if (name, agreed) == ("encryption", False):
            change(name)
        else:
            with pytest.raises(AccessError, match="temporary-failure"):
                change(name)
            assert on.rotation.phases() == {name: Phase.AGREEING if agreed else Phase.SENT}
            monkeypatch.undo()
            on.live().finish()
        assert on.changed() == {name}


def test_a_meter_that_says_it_took_the_keys_and_did_not(bench, monkeypatch):
    with bench() as on:
        monkeypatch.setattr(on.setup.keys, "transfer", lambda wrapped: None)
        with pytest.raises(RemoteProtocolError, match="goes on with the old"):
            on.live().change(PAIR)
        assert on.rotation.phases() == dict.fromkeys(PAIR, Phase.STORED)
        monkeypatch.undo()
        on.live().finish()
        assert on.changed() == set(PAIR)


def test_a_meter_that_takes_one_key_of_two(bench, monkeypatch):
    with bench() as on:
        whole = on.setup.keys.transfer
        monkeypatch.setattr(on.setup.keys, "transfer", lambda keys: whole({"encryption": keys["encryption"]}))
        with pytest.raises(RemoteProtocolError, match="took the new authentication, and goes on"):
            on.live().change(PAIR)
        assert on.rotation.phases() == {"encryption": Phase.PROVEN, "authentication": Phase.STORED}
        monkeypatch.undo()
        on.live().change(PAIR)
        assert on.changed() == set(PAIR)


# lost answers


def test_the_line_is_cut_when_the_meter_has_the_secret(bench):
    with bench(SUITE_0, Mechanism.HLS_SHA256) as on:
        keep = on.device._keep

        def changed(granted: Any) -> None:
            keep(granted)
            on.called = True

        on.device._keep, on.cut = changed, 1
        on.live().change(["secret"])
        assert on.cut == 0
        assert on.changed() == {"secret"}


@pytest.mark.parametrize("names", [PAIR, ("broadcast",), ("master",)], ids="-".join)
def test_the_line_is_cut_when_the_meter_has_the_keys(bench, names):
    with bench() as on:
        on.cut = 1
        live = on.live()
        if names == PAIR:
            live.change(names)
        else:
            with pytest.raises(DlmsError):
                live.change(names)
            assert on.rotation.phases() == {names[0]: Phase.SENT}
            live.change(names)
        assert on.changed() == set(names)


@pytest.mark.parametrize("name", ["encryption", "broadcast", "master"])
def test_the_line_is_cut_when_the_meter_has_agreed(bench, name):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        on.cut = 1
        with pytest.raises(DlmsError):
            on.live().agree(name)
        assert on.rotation.phases() == {name: Phase.AGREEING}
        assert on.keys("meter") != on.keys("client"), "the meter has a key that nobody else has"
        on.live().finish()
        assert on.changed() == {name}


@pytest.mark.parametrize("name", ["encryption", "broadcast", "master"])
def test_an_agreement_that_never_reached_the_meter(bench, name):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        on.rotation.agree(name, on.files.security().provider.sign)
        on.live().agree(name)
        assert on.changed() == {name}


def test_an_agreement_that_never_reached_the_meter_is_forgotten(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        on.rotation.agree("encryption", on.files.security().provider.sign)
        on.live().finish()
        assert on.untouched()


def test_a_refusal_of_a_meter_that_has_agreed_is_not_believed(bench, monkeypatch):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        agree = on.setup.keys.agree

        def lying(*arguments: Any) -> Any:
            agree(*arguments)
            on.setup.provider = on.setup.keys.provider
            raise SecurityError("no")

        with monkeypatch.context() as patch:
            patch.setattr(on.setup.keys, "agree", lying)
            with pytest.raises(AssociationRefused):
                on.live().agree("encryption")
        assert on.rotation.phases() == {"encryption": Phase.AGREEING}
        on.live().finish()
        assert on.changed() == {"encryption"}


def test_an_answer_about_another_key_is_none(bench, monkeypatch):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        agree = on.setup.keys.agree
        monkeypatch.setattr(on.setup.keys, "agree", lambda *arguments: {"master": agree(*arguments)["broadcast"]})
        with pytest.raises(OutcomeUnknown, match="did not answer with its part"):
            on.live().agree("broadcast")
        assert on.rotation.phases() == {"broadcast": Phase.AGREEING}


def test_a_master_key_that_was_agreed_on_wrongly_is_not_put_in_force(bench, monkeypatch):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        right, seen = agreement.algorithm_of, []

        def wrong(name: str, suite: SecuritySuite) -> Any:
            seen.append(name)
            return right(name if len(seen) == 1 else "encryption", suite)

        monkeypatch.setattr(agreement, "algorithm_of", wrong)
        with pytest.raises(AccessError):
            on.live().agree("master")
        assert on.rotation.phases() == {"master": Phase.SENT}


def test_what_an_earlier_call_has_left_is_finished_first_and_not_done_twice(bench):
    with bench() as on:
        on.rotation.begin(["encryption", "broadcast"])
        on.rotation.transfer()
        new = KeyFile.load(on.paths[0])[NAME].next
        on.live().change(["encryption", "authentication"])
        assert on.changed() == {"encryption", "broadcast", "authentication"}
        held = on.keys("meter")
        assert {name: held[name] for name in new} == {name: one.key for name, one in new.items()}


def test_a_master_key_on_its_way_comes_before_what_travels_under_it(bench):
    with bench() as on:
        on.rotation.begin(["master"])
        on.live().change(["encryption"])
        assert on.changed() == {"master", "encryption"}


def test_an_agreement_that_was_given_up_reaches_the_meter_late(bench):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        security = on.files.security()
        part = on.rotation.agree("encryption", security.provider.sign)
        on.rotation.unchanged()
        on.setup.keys.agree({"encryption": part.wrapped}, b"HEA00001", lambda signature, data: None)
        on.setup.provider = on.setup.keys.provider
        with pytest.raises(DlmsError):
            connect(on.url, client=MANAGER, server=SERVER, auth=on.mechanism, security=security)
        on.live().change(["encryption"])
        assert on.changed() == {"encryption"}


def test_a_key_that_was_agreed_on_wrongly_is_sent_instead(bench, monkeypatch):
    with bench(SUITE_1, Mechanism.HLS_ECDSA) as on:
        right = agreement.algorithm_of
        seen = []

        def wrong(name: str, suite: SecuritySuite) -> Any:
            seen.append(name)
            return right("encryption" if len(seen) == 1 else "master", suite)

        monkeypatch.setattr(agreement, "algorithm_of", wrong)
        on.live().agree("encryption")
        assert seen == ["encryption", "encryption"]
        assert on.changed() == {"encryption"}


@pytest.mark.parametrize("names", [PAIR, ("broadcast",), ("master",)], ids="-".join)
def test_a_meter_that_answers_too_late(bench, names):
    with bench() as on:
        on.delay_s = 0.6
        live = on.live(timeout_s=0.3)
        with contextlib.suppress(DlmsError):
            live.change(names)
        time.sleep(0.4)
        live.change(names) if on.rotation.phases() else None
        assert on.changed() == set(names)


def test_a_request_that_arrives_too_late_is_refused(bench, monkeypatch):
    """The meter is seen to use the old keys: what was sent before has an older counter then."""
    with bench() as on:
        live, late = on.live(timeout_s=0.3), []
        call = Reach.call

        def held_up(self: Reach, *arguments: Any) -> Any:
            late.append((self, arguments))
            time.sleep(0.6)
            raise LinkError("the meter is gone")

        monkeypatch.setattr(Reach, "call", held_up)
        with pytest.raises(DlmsError):
            live.change(PAIR)
        monkeypatch.setattr(Reach, "call", call)
        assert on.rotation.phases() == dict.fromkeys(PAIR, Phase.STORED)
        assert late
        live.finish()
        assert on.changed() == set(PAIR)


def test_a_line_that_is_down_says_so_and_loses_nothing(bench):
    with bench() as on:
        live = on.live()
        on.rotation.begin(PAIR)
        on.rotation.transfer()
    with pytest.raises(LinkError):
        live.finish()
    assert on.rotation.phases() == dict.fromkeys(PAIR, Phase.SENT)


def test_a_meter_that_opens_under_no_key_of_the_file(bench):
    with bench() as on:
        on.rotation.begin(PAIR)
        on.rotation.transfer()
        on.setup.provider = on.setup.provider.with_keys(on.files.meter[NAME].keys.replace(encryption=b"?" * 16))
        with pytest.raises(RemoteProtocolError, match="none of 4 key sets opens the meter"):
            on.live().finish()
        assert on.pauses == 4
        assert on.rotation.phases() == dict.fromkeys(PAIR, Phase.SENT)


# what proves nothing


@pytest.mark.parametrize(
    "changes",
    [
        {"protection": Protection.NONE},
        {"broadcast": True},
        {"envelope": Envelope.WRAPPED},
    ],
)
def test_associations_that_prove_nothing(changes):
    security = Files.of(SUITE_0).security(**changes)
    with pytest.raises(LocalProtocolError, match="under the global unicast key"):
        dialling("memory://nobody", security)


def test_an_envelope_that_names_the_meter_needs_its_title():
    files = Files.of(SUITE_1)
    dial = dialling("memory://nobody", files.security(peer_title=None))
    with pytest.raises(LocalProtocolError, match="names the meter"):
        dial(Candidate(files.client[NAME].keys, frozenset()), Envelope.WRAPPED)


def test_a_plain_association_proves_nothing(bench):
    with bench(SUITE_0) as on:
        rotation = LiveRotation(on.rotation, lambda held, envelope: connect(on.url, server=SERVER))
        with pytest.raises(LocalProtocolError, match="proves no keys"):
            rotation.change(PAIR)
        assert on.keys("client") == on.keys("meter")


def test_the_object_of_version_0_takes_keys_too(bench):
    assert setup_object(SUITE_0).version == 0
    assert setup_object(SUITE_0).global_key_transfer == setup_object(SUITE_1).key_transfer


# ends that are killed

KILLED = {
    "client": ("pair", "agree encryption"),
    "meter": ("pair", "enrol"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="ends are killed in forked processes")
@pytest.mark.parametrize("end", KILLED)
def test_whatever_is_killed_the_keys_of_the_meter_are_in_the_file(tmp_path: Path, end: str):
    done = subprocess.run(
        [sys.executable, "-m", live_rotation_killed.__name__, str(tmp_path), end, "3", *KILLED[end]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["lost"] == []
    assert found["killed"] >= 3 * len(KILLED[end])
