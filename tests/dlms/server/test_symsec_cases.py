"""The security cases of the abstract tests, by id, in suites 0, 1 and 2: raw requests to our server, and what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import Aare, Rlre, Rlrq
from dlms.apdu import ExceptionResponse, GetRequestNormal, SetRequestNormal, decode_apdu
from dlms.apdu.action import ActionRequestNormal, ActionResponseNormal
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.ciphering import Ciphering, Shape
from dlms.codec import Record, encode
from dlms.enums import ServiceError
from dlms.ic import SecuritySetup, SecuritySetupV1
from dlms.interface import MethodRef
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.objects import CURRENT_ASSOCIATION
from dlms.operations.read import descriptor
from dlms.security.channel import Channel
from dlms.security.hls import GmacScheme
from dlms.security.keys import Secret
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITES, SecuritySuite
from dlms.security.wrap import wrap
from dlms.server import Access
from dlms.values import Enum
from tests.dlms.secured import CLIENT_TITLE, MANAGER, SERVER_TITLE, SETUP, World, key_set, world
from tests.dlms.server.devices import LONG, Dialogue

A, E = Protection.AUTHENTICATED, Protection.ENCRYPTED
AE = AUTHENTICATED_ENCRYPTED
GLOBAL, DEDICATED = Shape(), Shape(dedicated=True)
CHALLENGE = bytes(range(16))
each_suite = pytest.mark.parametrize("suite", list(SUITES.values()), ids=["suite0", "suite1", "suite2"])
READ = encode(GetRequestNormal(0xC1, descriptor(LONG.value), None))


def write(value: bytes) -> bytes:
    return encode(SetRequestNormal(0xC1, descriptor(LONG.value), None, value))


class Manager:
    """A client's side that says exactly what it is told to, with the right keys unless told otherwise."""

    def __init__(self, of: World, *, dedicated: bytes | None = None, provider: MemoryKeyProvider | None = None) -> None:
        self.of, self.line, self.dedicated = of, Dialogue(of.device), dedicated
        held = provider or of.security.provider
        if dedicated is not None and len(dedicated) == held.suite.key_length:
            held = held.with_dedicated(Secret(dedicated))
        self.ciphering = Ciphering(
            Channel(held, of.security.counters, CLIENT_TITLE, SERVER_TITLE), allow_unauthenticated=True
        )

    @property
    def initiate(self) -> bytes:
        request = aarq(self.request(), CHALLENGE).initiate()
        return encode(dataclasses.replace(request, dedicated_key=self.dedicated))

    def request(self) -> AssociationRequest:
        granted = self.of.device.associations[MANAGER, 1]
        return AssociationRequest(
            granted.mechanism, context=granted.context, conformance=granted.conformance, security=self.of.security
        )

    def aarq(self, information: bytes | None = None, **changes: object) -> Aare:
        asked = aarq(self.request(), CHALLENGE)
        information = information if information is not None else self.close(self.initiate)
        answer = self.line.ask(dataclasses.replace(asked, user_information=information, **changes), MANAGER)
        assert isinstance(answer, Aare)
        return answer

    def close(self, data: bytes, protection: Protection = AE, shape: Shape = GLOBAL) -> bytes:
        return self.ciphering.close(data, protection, shape)

    def open(self) -> Manager:
        """Associate, with all passes."""
        answer = self.aarq()
        assert answer.result == 0
        if answer.responding_authentication_value is not None:
            assert self.prove(answer, GLOBAL)
        return self

    def prove(self, answer: Aare, shape: Shape, spoil: int = 0) -> bool:
        """Pass 3; whether the server proved itself then."""
        proof = GmacScheme(self.ciphering.channel).prove(answer.responding_authentication_value or b"", CHALLENGE)
        proof = bytes((proof[0] ^ spoil,)) + proof[1:]
        method = CURRENT_ASSOCIATION.reply_to_hls_authentication
        asked = CosemMethodDescriptor(method.class_id, bytes(method.instance), method.index)
        reply = self.say(self.close(encode(ActionRequestNormal(0xC1, asked, proof)), AE, shape))
        return reply is not None and getattr(getattr(reply, "response", None), "result", 1) == 0

    def say(self, data: bytes) -> Record | None:
        """The answer, opened."""
        answer = self.line.say(data, MANAGER)
        if answer is None:
            return None
        return decode_apdu(self.ciphering.open(answer).plain)

    def accepted(self, data: bytes) -> bool:
        """Whether a GET or SET was carried out."""
        reply = self.say(data)
        if isinstance(reply, ExceptionResponse):
            return False
        result = getattr(reply, "result", None)
        return isinstance(result, bytes) or result == 0

    def call(self, method: MethodRef[Any], parameter: Any) -> int:
        """The result of an ACTION under the global keys."""
        asked = CosemMethodDescriptor(method.class_id, bytes(method.instance), method.index)
        reply = self.say(self.close(encode(ActionRequestNormal(0xC1, asked, parameter))))
        assert isinstance(reply, ActionResponseNormal), reply
        return int(reply.response.result)

    def rekey(self, **keys: bytes) -> Manager:
        """The same client with other keys, in the same association."""
        other = Manager(self.of, provider=MemoryKeyProvider(key_set(self.suite).replace(**keys), self.suite))
        other.line = self.line
        return other

    @property
    def suite(self) -> SecuritySuite:
        return self.of.setup.provider.suite

    def associated(self) -> bool:
        return self.accepted(self.close(READ))


@each_suite
def test_basic_cap_1(suite: SecuritySuite) -> None:
    for policy in (Policy.NOTHING, Policy.both(A), Policy.both(E), Policy.both(AE)):
        manager = Manager(world(suite=suite, policy=policy, allow_unauthenticated=True)).open()
        for protection in {policy.request, AE}:
            assert manager.accepted(manager.close(write(b"%d" % protection), protection))
            assert manager.accepted(manager.close(READ, protection))
        released = manager.line.ask(Rlrq(0, manager.close(manager.initiate)), MANAGER)
        assert isinstance(released, Rlre)
        assert released.reason == 0
        assert released.user_information is not None
        assert not manager.associated()


@each_suite
@pytest.mark.parametrize("dedicated", [False, True], ids=["global", "dedicated"])
def test_fra_count_1(suite: SecuritySuite, dedicated: bool) -> None:
    manager = Manager(world(suite=suite), dedicated=b"D" * suite.key_length if dedicated else None).open()
    shape = DEDICATED if dedicated else GLOBAL
    first, other = manager.close(write(b"one"), AE, shape), manager.close(write(b"two"), AE, shape)
    assert manager.accepted(first)
    assert manager.accepted(other)
    replayed = manager.say(first)
    assert isinstance(replayed, ExceptionResponse)
    assert replayed.service_error == ServiceError.INVOCATION_COUNTER_ERROR
    assert manager.of.device.store.get(LONG.value) == b"two"
    assert not manager.accepted(other)
    assert manager.accepted(manager.close(READ, AE, shape))


@each_suite
def test_fra_count_3(suite: SecuritySuite) -> None:
    manager = Manager(world(suite=suite), dedicated=b"D" * suite.key_length).open()
    for shape in (GLOBAL, DEDICATED):
        seen = []
        for _ in range(4):
            answer = manager.line.say(manager.close(READ, AE, shape), MANAGER)
            assert answer is not None
            at = 1 + (1 if answer[1] < 0x80 else 1 + (answer[1] & 0x7F))
            seen.append(int.from_bytes(answer[at + 1 : at + 5], "big"))
        assert seen == sorted(set(seen))


@each_suite
def test_ded_key_n1(suite: SecuritySuite) -> None:
    size = suite.key_length
    for protection in (Protection.NONE, E, A):
        manager = Manager(world(suite=suite, allow_unauthenticated=True), dedicated=b"D" * size)
        assert manager.aarq(manager.close(manager.initiate, protection)).result == 1
        assert not manager.associated()
    for wrong in (size - 1, size + 1, 0):
        manager = Manager(world(suite=suite), dedicated=b"D" * wrong)
        assert manager.aarq().result == 1
    of = world(suite=suite)
    with_key = Manager(of, dedicated=b"D" * size)
    without = Manager(of).open()
    assert not without.accepted(with_key.close(READ, AE, DEDICATED))
    with_key.open()
    old = with_key.close(READ, AE, DEDICATED)
    other = Manager(of, dedicated=b"F" * size).open()
    assert not other.accepted(old)
    assert other.associated()


@each_suite
@pytest.mark.parametrize("shape", [GLOBAL, DEDICATED], ids=["global", "dedicated"])
def test_sec_data_x_p1(suite: SecuritySuite, shape: Shape) -> None:
    key = b"D" * suite.key_length
    free = Manager(world(suite=suite, policy=Policy.NOTHING, allow_unauthenticated=True), dedicated=key).open()
    for protection in (A, E, AE):
        assert free.accepted(free.close(write(b"%d" % protection), protection, shape))
        assert free.accepted(free.close(READ, protection, shape))
    guarded = Access.READ_WRITE | Access.AUTHENTICATED_REQUEST
    of = world(suite=suite, policy=Policy.NOTHING, access=guarded, allow_unauthenticated=True)
    bound = Manager(of, dedicated=key).open()
    for protection, allowed in ((A, True), (AE, True), (E, False)):
        assert bound.accepted(bound.close(write(b"%d" % protection), protection, shape)) is allowed
        assert bound.accepted(bound.close(READ, protection, shape)) is allowed


@each_suite
def test_sec_data_x_n1(suite: SecuritySuite) -> None:
    of = world(suite=suite)
    manager = Manager(of, dedicated=b"D" * suite.key_length).open()
    keys, strange = key_set(suite), key_set(suite, 16)
    for changed in (keys.replace(encryption=strange.encryption), keys.replace(authentication=strange.authentication)):
        stranger = Manager(of, provider=MemoryKeyProvider(changed, suite))
        assert not manager.accepted(stranger.close(READ))
    glo = manager.close(READ)
    assert not manager.accepted(b"\xd0" + glo[1:])
    broadcast = Ciphering(Channel(MemoryKeyProvider(keys, suite), of.security.counters, CLIENT_TITLE, SERVER_TITLE))
    assert not manager.accepted(broadcast.close(READ, AE, Shape(broadcast=True)))
    for spoil in (
        lambda octets: octets[:2] + bytes((octets[2] | 15,)) + octets[3:],
        lambda octets: octets[:9] + bytes((octets[9] ^ 1,)) + octets[10:],
        lambda octets: octets[:1] + bytes((octets[1] - 1,)) + octets[2:-1],
    ):
        assert not manager.accepted(spoil(manager.close(READ)))
        assert manager.associated()


@each_suite
def test_symsec_rel_n1(suite: SecuritySuite) -> None:
    of = world(suite=suite, policy=Policy.NOTHING, allow_unauthenticated=True)
    manager = Manager(of, dedicated=b"D" * suite.key_length).open()
    spoilt = [manager.close(manager.initiate, protection) for protection in (Protection.NONE, E, A)]
    for information in (None, *spoilt, manager.close(manager.initiate, AE, DEDICATED)):
        released = manager.line.ask(Rlrq(0, information), MANAGER)
        assert not (isinstance(released, Rlre) and released.reason in (0, None))
        assert manager.associated()


def setup_of(suite: SecuritySuite) -> SecuritySetup | SecuritySetupV1:
    return SecuritySetup(SETUP) if suite is SUITES[0] else SecuritySetupV1(SETUP)


def transfer(suite: SecuritySuite) -> MethodRef[Any]:
    of = setup_of(suite)
    return of.global_key_transfer if isinstance(of, SecuritySetup) else of.key_transfer


def wrapped(suite: SecuritySuite, key: bytes, master: bytes | None = None) -> bytes:
    return wrap(Secret(master or key_set(suite).get("master", suite)), Secret(key), suite)


@each_suite
@pytest.mark.parametrize("names", [("encryption",), ("authentication",), ("encryption", "authentication")])
def test_key_tx_p(suite: SecuritySuite, names: tuple[str, ...]) -> None:
    """Key_Tx_P1 to P3: the new keys are in force at once, the old ones refused; and back."""
    ids = {"encryption": 0, "authentication": 2}
    new = {name: bytes((0x70 + ids[name],)) * suite.key_length for name in names}
    changes: list[int] = []
    of = world(suite=suite, changed=lambda: changes.append(1))
    manager = Manager(of).open()
    assert manager.call(transfer(suite), [(Enum(ids[name]), wrapped(suite, new[name])) for name in names]) == 0
    fresh = manager.rekey(**new)
    assert not manager.associated()
    assert fresh.associated()
    old = {name: key_set(suite).get(name, suite).reveal() for name in names}
    assert fresh.call(transfer(suite), [(Enum(ids[name]), wrapped(suite, old[name])) for name in names]) == 0
    assert manager.associated()
    assert changes == [1, 1]


@each_suite
def test_key_tx_n(suite: SecuritySuite) -> None:
    """Key_Tx_N1 and N2: a key_id that is none, a wrong master key; and one bad key among good ones changes nothing."""
    manager = Manager(world(suite=suite)).open()
    good = Enum(0), wrapped(suite, b"n" * suite.key_length)
    bad = [
        (Enum(0x80), good[1]),
        (Enum(2), wrapped(suite, b"n" * suite.key_length, b"x" * suite.key_length)),
        (Enum(2), good[1][:-1]),
        good,
    ]
    for one in bad:
        assert manager.call(transfer(suite), [good, one]) != 0
        assert manager.associated()
    assert manager.call(transfer(suite), []) != 0


@each_suite
def test_sec_pol_activated(suite: SecuritySuite) -> None:
    """SecPol_1 to 3: what is activated holds at once, and is never lowered."""
    of = world(suite=suite, policy=Policy.NOTHING, allow_unauthenticated=True)
    manager = Manager(of).open()
    setup = setup_of(suite)
    policies = (1, 2, 3) if isinstance(setup, SecuritySetup) else (int(Policy.both(A)), int(Policy.both(AE)))
    for policy in policies:
        assert manager.call(setup.security_activate, Enum(policy)) == 0
        required = of.setup.policy.request
        for protection in (Protection.NONE, A, E, AE):
            assert manager.accepted(manager.close(READ, protection)) is protection.covers(required)
    for lower in (0, policies[0]):
        assert manager.call(setup.security_activate, Enum(lower)) != 0
    reply = manager.say(manager.close(encode(GetRequestNormal(0xC1, descriptor(setup.security_policy), None))))
    assert reply is not None
    assert getattr(reply, "result", None) == Enum(policies[-1])


@each_suite
@pytest.mark.parametrize("required", [A, E, AE], ids=str)
def test_sec_pol(suite: SecuritySuite, required: Protection) -> None:
    """SecPol_1 to 3: weaker requests are refused."""
    manager = Manager(world(suite=suite, policy=Policy.both(required), allow_unauthenticated=True)).open()
    for protection in (Protection.NONE, A, E, AE):
        allowed = protection.covers(required)
        assert manager.accepted(manager.close(READ, protection)) is allowed
        assert manager.accepted(manager.close(write(b"1"), protection)) is allowed


@each_suite
def test_appl_open_3(suite: SecuritySuite) -> None:
    manager = Manager(world(suite=suite), dedicated=b"D" * suite.key_length)
    answer = manager.aarq()
    assert not manager.associated()  # S1
    assert manager.prove(answer, GLOBAL)
    assert manager.associated()
    assert not manager.prove(manager.aarq(), GLOBAL, spoil=0x30)  # S2: security control 20 instead of 10
    assert not manager.associated()
    assert not manager.prove(manager.aarq(), DEDICATED)  # S3
    assert not manager.associated()


@pytest.mark.parametrize(
    ("changes", "diagnostics"),
    [
        ({"sender_acse_requirements": None, "mechanism_name": None, "calling_authentication_value": None},
         {1, 11, 12, 13, 14}),
        ({"sender_acse_requirements": b"\x07\x00"}, {1, 12, 13, 14}),
        ({"mechanism_name": None, "calling_authentication_value": None}, {1, 11, 12, 13, 14}),
        ({"mechanism_name": None}, {1, 11, 12, 13, 14}),
        ({"calling_authentication_value": None}, {1, 13, 14}),
        ({"mechanism_name": bytes.fromhex("60857405080201")}, {1, 11, 12, 13, 14}),
        ({"calling_authentication_value": b"1234567"}, {1, 13}),
        ({"calling_authentication_value": bytes(65)}, {1, 13}),
    ],
    ids=["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S7-too-long"],
)  # fmt: skip
def test_appl_open_7_hls(changes: dict[str, object], diagnostics: set[int]) -> None:
    answer = Manager(world()).aarq(**changes)
    assert answer.result == 1
    assert answer.diagnostic is not None
    assert answer.diagnostic.code in diagnostics


def test_a_title_is_wanted_and_the_one_that_the_keys_go_with() -> None:
    for title in (None, b"CLI0000", b"CLI00002"):
        assert Manager(world()).aarq(calling_ap_title=title).result == 1
    strict = world(client_titles=frozenset((b"CLI00002",)))
    assert Manager(strict).aarq().result == 1
