"""One end is ours, the other one cheats: what is weaker, foreign, old or unproven is refused, and says why.

A cheating server is ours behind a medium that changes its answers; a cheating client says exactly what it is told to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from dlms.acse import Aare, Aarq, Rlre, Rlrq, context_oid, decode_acse, mechanism_oid
from dlms.apdu import ExceptionResponse
from dlms.apdu.action import ActionRequestNormal, ActionResponseNormal, ActionResult
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.ciphering import Ciphering, Shape, overhead
from dlms.client import Client
from dlms.codec import ABSENT, Record, encode
from dlms.connection import Connection
from dlms.enums import ApplicationContext, Conformance, Mechanism, ServiceError
from dlms.errors import AssociationRefused, DlmsError, LinkError, OutcomeUnknown, SecurityError
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.objects import CURRENT_ASSOCIATION
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.keys import Secret
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Policy, Protection
from dlms.security.suite import SUITE_1
from dlms.server import Access, Session
from dlms.server.security import ServerCiphering, security_objects
from dlms.values import Integer, Unsigned
from tests.dlms.secured import CLIENT_TITLE, EVERYTHING, MANAGER, SECRET, SERVER_TITLE, SETUP, World, world
from tests.dlms.server.devices import ENERGY, SERVER, Dialogue
from tests.dlms.server.test_symsec_cases import CHALLENGE, DEDICATED, GLOBAL, READ, Manager, write
from tests.dlms.short_name_meter import Loop

A, E, AE = Protection.AUTHENTICATED, Protection.ENCRYPTED, AUTHENTICATED_ENCRYPTED
LN, CIPHERED = ApplicationContext.LN, ApplicationContext.LN_CIPHERED
AARE, PROOF, ANSWER, NEXT = 1, 2, 3, 4
"""Which answer of the server is changed."""
GET_RESPONSE = bytes.fromhex("c401420006000004d2")
Change = Callable[[bytes], bytes]


class Cheated(Loop):
    """The medium between an honest server and the client."""

    def __init__(self, session: Session, changes: dict[int, Change]) -> None:
        super().__init__(session)
        self.changes = changes

    def receive(self, timeout_s: float | None) -> bytes:
        super().receive(timeout_s)
        apdu, change = self.received[-1], self.changes.get(len(self.received))
        apdu = apdu if change is None else change(apdu)
        return bytes(HEADER.pack(1, SERVER, MANAGER, len(apdu))) + apdu


def client(of: World, changes: dict[int, Change], mechanism: Mechanism = Mechanism.HLS_GMAC, **security: Any) -> Client:
    """A client with an open association, behind the medium that changes answers."""
    context = of.device.associations[MANAGER, SERVER].context
    held = of.client(**({} if context.ciphered else {"protection": Protection.NONE}), **security)
    request = AssociationRequest(mechanism, SECRET, context, EVERYTHING, security=held)
    medium = Cheated(Session({None: of.device}, WrapperServer()), changes)
    return Client(Connection(WrapperClient(MANAGER, SERVER), request), medium).open()


def says(
    of: World, apdu: bytes, protection: Protection = AE, shape: Shape = GLOBAL, title: bytes = SERVER_TITLE
) -> Change:
    """The server, or one that has its keys, says something else instead."""

    def change(_: bytes) -> bytes:
        counters = of.setup.counters if title == SERVER_TITLE else Counters(MemoryCounterStore(), first=100)
        ciphering = Ciphering(Channel(of.setup.provider, counters, title, CLIENT_TITLE), allow_unauthenticated=True)
        return ciphering.close(apdu, protection, shape)

    return change


def aare(**changes: Any) -> Change:
    def change(data: bytes) -> bytes:
        answer = decode_acse(data)
        assert isinstance(answer, Aare)
        return encode(dataclasses.replace(answer, **changes))

    return change


PLAIN_INITIATE = bytes.fromhex("0800065f1f0400400010ffff0007")


# --- a server that cheats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protection", "asked", "taken"),
    [
        (Protection.NONE, AE, False),
        (A, AE, False),
        (AE, AE, True),
        (Protection.NONE, A, False),
        (A, A, True),
        (AE, A, True),
        (Protection.NONE, Protection.NONE, True),
        (A, Protection.NONE, True),
    ],
)
def test_an_answer_is_no_weaker_than_what_was_asked_for(protection: Protection, asked: Protection, taken: bool) -> None:
    of = world(policy=Policy.NOTHING)
    associated = client(of, {ANSWER: says(of, GET_RESPONSE, protection)}, protection=asked)
    if taken:
        assert associated.get(ENERGY.value) == 1234
        return
    with pytest.raises(SecurityError, match=r"must be|weaker"):
        associated.get(ENERGY.value)


def test_an_answer_has_the_title_of_the_meter() -> None:
    of = world()
    foreign = client(of, {ANSWER: says(of, GET_RESPONSE, AE, Shape(Envelope.GENERAL), b"SRV00002")})
    with pytest.raises(LinkError):  # whose answer it is, nobody can say
        foreign.get(ENERGY.value)
    assert "comes from" in str(foreign.faults[-1])
    of = world()
    with pytest.raises(SecurityError, match="does not fit"):
        client(of, {ANSWER: says(of, GET_RESPONSE, title=b"SRV00002")}).get(ENERGY.value)


def test_an_answer_is_inside_its_own_envelope() -> None:
    of = world()
    changed = says(of, bytes.fromhex("c5014200"))
    with pytest.raises(SecurityError, match="envelope 0xcc holds an APDU of tag c5"):
        client(of, {ANSWER: lambda data: b"\xcc" + changed(data)[1:]}).get(ENERGY.value)


def test_an_answer_that_was_heard_before_is_refused() -> None:
    of = world()
    kept: list[bytes] = []

    def heard(data: bytes) -> bytes:
        kept.append(data)
        return kept[0]

    associated = client(of, {ANSWER: heard, NEXT: heard})
    assert associated.get(ENERGY.value) == 1234
    with pytest.raises(DlmsError, match="silent"):  # it is no answer, and no other comes
        associated.get(ENERGY.value)
    assert "invocation counter" in str(associated.faults[-1])


def test_an_answer_under_a_dedicated_key_needs_one() -> None:
    of = world()
    with pytest.raises(SecurityError, match="no dedicated key"):
        client(of, {ANSWER: lambda data: b"\xd4" + data[1:]}).get(ENERGY.value)


def test_an_answer_of_another_key_set_or_suite_is_refused() -> None:
    of = world()
    for control in (0x70, 0x31, 0x3F):
        spoilt = client(of, {ANSWER: lambda data, control=control: data[:2] + bytes((control,)) + data[3:]})  # type: ignore[misc]
        with pytest.raises(SecurityError, match=r"weaker|not defined"):
            spoilt.get(ENERGY.value)


ACCEPTED_WEAKER = {
    "a context without ciphering": (
        aare(application_context_name=context_oid(LN), user_information=PLAIN_INITIATE),
        "its initiate is not protected",
    ),
    "an initiate in clear": (aare(user_information=PLAIN_INITIATE), "its initiate is not protected"),
    "no initiate": (aare(user_information=None), "its initiate is not protected"),
    "the name of a context without ciphering": (aare(application_context_name=context_oid(LN)), "context"),
    "a weaker mechanism": (aare(mechanism_name=mechanism_oid(Mechanism.LLS)), "authentication lls"),
    "no mechanism": (aare(mechanism_name=None), "authentication none"),
    "another title": (aare(responding_ap_title=b"SRV00002"), "does not fit|is expected"),
    "our own title": (aare(responding_ap_title=CLIENT_TITLE), "same system title"),
    "no challenge": (aare(responding_authentication_value=None), "no challenge"),
    "a short challenge": (aare(responding_authentication_value=b"1234567"), "8 to 64 octets"),
    "a long challenge": (aare(responding_authentication_value=bytes(65)), "8 to 64 octets"),
}


@pytest.mark.parametrize("what", ACCEPTED_WEAKER)
def test_an_aare_that_accepts_less_is_refused(what: str) -> None:
    change, reason = ACCEPTED_WEAKER[what]
    with pytest.raises(SecurityError, match=reason):
        client(world(), {AARE: change})


@pytest.mark.parametrize("protection", [A, E])
def test_the_initiate_of_an_aare_is_authenticated_and_encrypted(protection: Protection) -> None:
    of = world(policy=Policy.NOTHING)
    weak = says(of, PLAIN_INITIATE, protection)
    with pytest.raises(SecurityError, match="weaker"):
        client(
            of, {AARE: lambda data: aare(user_information=weak(b""))(data)}, allow_unauthenticated=True, protection=A
        )


def test_another_meter_with_the_same_keys_is_another_meter() -> None:
    of = world(Mechanism.NONE)
    initiate = says(of, PLAIN_INITIATE, title=b"SRV00002")

    def other(data: bytes) -> bytes:
        return aare(responding_ap_title=b"SRV00002", user_information=initiate(b""))(data)

    client(of, {AARE: other}, Mechanism.NONE)
    with pytest.raises(SecurityError, match="is expected"):
        client(of, {AARE: other}, Mechanism.NONE, peer_title=SERVER_TITLE)


def test_the_title_is_the_one_that_we_know() -> None:
    of = world(Mechanism.HLS_SHA256, context=LN)
    with pytest.raises(SecurityError, match="is expected"):
        client(of, {AARE: aare(responding_ap_title=b"SRV00002")}, Mechanism.HLS_SHA256, peer_title=SERVER_TITLE)


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256, Mechanism.HLS_GMAC])
def test_our_own_challenge_is_not_taken_for_the_servers(mechanism: Mechanism) -> None:
    of = world(mechanism, context=LN)
    medium: list[Cheated] = []

    def reflected(data: bytes) -> bytes:
        asked = decode_acse(medium[0].sent[0])
        assert isinstance(asked, Aarq)
        return aare(responding_authentication_value=asked.calling_authentication_value)(data)

    class Reflecting(Cheated):
        def __init__(self, session: Session, changes: dict[int, Change]) -> None:
            super().__init__(session, changes)
            medium.append(self)

    security = of.client(protection=Protection.NONE)
    request = AssociationRequest(mechanism, SECRET, LN, EVERYTHING, security=security)
    loop = Reflecting(Session({None: of.device}, WrapperServer()), {AARE: reflected})
    with pytest.raises(SecurityError, match="our own challenge back"):
        Client(Connection(WrapperClient(MANAGER, SERVER), request), loop).open()


def proof_of(proof: Any) -> Change:
    """In a context without ciphering: the server answers our proof like this."""
    return lambda data: encode(ActionResponseNormal(data[2], ActionResult(0, proof)))


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_MD5, Mechanism.HLS_SHA256, Mechanism.HLS_GMAC])
@pytest.mark.parametrize("proof", [ABSENT, None, b"", bytes(16), bytes(17), bytes(32), Unsigned(5)], ids=repr)
def test_a_server_that_does_not_prove_itself_gets_no_association(mechanism: Mechanism, proof: Any) -> None:
    of = world(mechanism, context=LN)
    with pytest.raises(SecurityError):
        client(of, {PROOF: proof_of(proof)}, mechanism)
    client(of, {}, mechanism)


@pytest.mark.parametrize("protection", [Protection.NONE, A, E])
def test_the_servers_proof_is_authenticated_and_encrypted(protection: Protection) -> None:
    of = world(policy=Policy.NOTHING, allow_unauthenticated=True)
    answer = encode(ActionResponseNormal(0x41, ActionResult(0, bytes(17))))
    with pytest.raises(OutcomeUnknown, match=r"must be|weaker"):
        client(of, {PROOF: says(of, answer, protection)}, protection=A)


def test_a_refusal_of_our_proof_opens_nothing() -> None:
    of = world(Mechanism.HLS_MD5, context=LN)
    with pytest.raises(AssociationRefused, match="refused our answer"):
        client(
            of, {PROOF: lambda data: encode(ActionResponseNormal(data[2], ActionResult(3, ABSENT)))}, Mechanism.HLS_MD5
        )


@pytest.mark.parametrize("information", [None, PLAIN_INITIATE], ids=["none", "in clear"])
def test_a_release_that_nothing_proves_is_none(information: bytes | None) -> None:
    associated = client(world(), {ANSWER: lambda _: encode(Rlre(0, information))})
    with pytest.raises(SecurityError, match="its initiate is not protected"):
        associated._wait(associated.connection.release(0.0))


def test_a_release_is_protected_like_the_aarq() -> None:
    associated = client(world(), {})
    associated._wait(associated.connection.release(0.0))
    medium = associated._medium
    assert isinstance(medium, Cheated)
    released = decode_acse(medium.sent[-1])
    assert isinstance(released, Rlrq)
    assert (released.user_information or b"")[:1] == b"\x21"
    answer = decode_acse(medium.received[-1])
    assert isinstance(answer, Rlre)
    assert (answer.reason, (answer.user_information or b"")[:1]) == (0, b"\x28")


# --- a client that cheats ----------------------------------------------------------------------------------------


def wait(manager: Manager) -> Aare:
    """Passes 1 and 2."""
    answer = manager.aarq()
    assert answer.result == 0
    return answer


def test_before_the_proof_nothing_else_is_served() -> None:
    manager = Manager(world())
    wait(manager)
    for data in (READ, write(b"1")):
        assert isinstance(manager.say(manager.close(data)), ExceptionResponse)
    other = encode(ActionRequestNormal(0xC1, CosemMethodDescriptor(3, bytes(ENERGY.instance), 1), Integer(0)))
    assert isinstance(manager.say(manager.close(other)), ExceptionResponse)
    method = CURRENT_ASSOCIATION.reply_to_hls_authentication
    for spoilt in ((3, method.instance, method.index), (15, ENERGY.instance, method.index), (15, method.instance, 2)):
        asked = encode(
            ActionRequestNormal(0xC1, CosemMethodDescriptor(spoilt[0], bytes(spoilt[1]), spoilt[2]), bytes(17))
        )
        assert isinstance(manager.say(manager.close(asked)), ExceptionResponse)


def test_a_proof_is_tried_once() -> None:
    manager = Manager(world())
    answer = wait(manager)
    assert not manager.prove(answer, GLOBAL, spoil=0x01)
    assert not manager.prove(answer, GLOBAL)
    assert not manager.associated()
    assert manager.prove(wait(manager), GLOBAL)
    assert manager.associated()


def asked(of: World, mechanism: Mechanism, challenge: bytes) -> tuple[Dialogue, Aare]:
    """Passes 1 and 2 in a context without ciphering."""
    line = Dialogue(of.device)
    request = AssociationRequest(mechanism, SECRET, LN, EVERYTHING, system_title=CLIENT_TITLE)
    answer = line.ask(aarq(request, challenge), MANAGER)
    assert isinstance(answer, Aare)
    return line, answer


def test_a_proof_is_made_of_octets() -> None:
    line, answer = asked(world(Mechanism.HLS_MD5, context=LN), Mechanism.HLS_MD5, CHALLENGE)
    assert answer.result == 0
    method = CURRENT_ASSOCIATION.reply_to_hls_authentication
    descriptor = CosemMethodDescriptor(method.class_id, bytes(method.instance), method.index)
    for parameter in (ABSENT, None, Unsigned(5), [Unsigned(1)]):
        reply = line.say(encode(ActionRequestNormal(0xC1, descriptor, parameter)), MANAGER)
        assert reply is not None
        assert reply[:1] == ExceptionResponse.prefix


@pytest.mark.parametrize("protection", [Protection.NONE, A, E])
def test_the_clients_proof_is_authenticated_and_encrypted(protection: Protection) -> None:
    manager = Manager(world(policy=Policy.NOTHING, allow_unauthenticated=True))
    answer = wait(manager)
    close = manager.close
    weaker: Any = lambda data, _, shape: close(data, protection, shape)  # noqa: E731 - for one call
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manager, "close", weaker)
        assert not manager.prove(answer, GLOBAL)
    assert not manager.associated()


def test_the_clients_proof_is_under_the_global_key() -> None:
    manager = Manager(world(), dedicated=b"D" * 16)
    assert not manager.prove(wait(manager), DEDICATED)
    assert not manager.associated()
    assert manager.prove(wait(manager), GLOBAL)
    assert manager.accepted(manager.close(READ, AE, DEDICATED))


def test_the_answer_to_a_proof_is_authenticated_and_encrypted() -> None:
    """Whatever the policy: the server's proof is no weaker than the client's."""
    manager = Manager(world(policy=Policy.NOTHING))
    answer = wait(manager)
    said: list[bytes] = []
    say = manager.line.say

    def noted(apdu: bytes | Record, client: int) -> bytes | None:
        said.append(say(apdu, client) or b"")
        return said[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manager.line, "say", noted)
        assert manager.prove(answer, GLOBAL)
    assert said[-1][2] == 0x30


@pytest.mark.parametrize("protection", [Protection.NONE, A, E])
def test_an_initiate_is_authenticated_and_encrypted(protection: Protection) -> None:
    manager = Manager(world(policy=Policy.NOTHING, allow_unauthenticated=True))
    assert manager.aarq(manager.close(manager.initiate, protection)).result == 1
    assert manager.aarq(b"").result == 1


def test_an_initiate_is_under_the_global_key() -> None:
    of = world()
    of.setup.provider = of.setup.provider.with_dedicated(Secret(b"D" * 16))
    manager = Manager(of, dedicated=b"D" * 16)
    assert manager.aarq(manager.close(manager.initiate, AE, DEDICATED)).result == 1
    assert manager.aarq(manager.close(manager.initiate, AE, Shape(Envelope.GENERAL, dedicated=True))).result == 1


def test_who_wants_no_answer_proves_nothing() -> None:
    """An unconfirmed association would be open without passes 3 and 4."""
    manager = Manager(world())
    asked = aarq(manager.request(), CHALLENGE)
    initiate = encode(dataclasses.replace(asked.initiate(), response_allowed=False))
    manager.line.say(dataclasses.replace(asked, user_information=manager.close(initiate)), MANAGER)
    assert not manager.associated()


def test_an_initiate_that_was_heard_before_opens_nothing() -> None:
    manager = Manager(world())
    initiate = manager.close(manager.initiate)
    assert manager.aarq(initiate).result == 0
    assert manager.aarq(initiate).result == 1


def test_only_titles_that_are_let_in_are() -> None:
    for let_in in (None, frozenset((CLIENT_TITLE,))):
        of = world(client_titles=let_in)
        other = Manager(of)
        other.ciphering = Ciphering(Channel(of.security.provider, of.security.counters, b"CLI00002", SERVER_TITLE))
        assert other.aarq(calling_ap_title=b"CLI00002").result == (0 if let_in is None else 1)
        Manager(of).open()


@pytest.mark.parametrize("title", [None, b"CLI00002", SERVER_TITLE])
def test_the_title_of_an_aarq_is_the_one_of_its_initiate(title: bytes | None) -> None:
    manager = Manager(world())
    assert manager.aarq(calling_ap_title=title).result == 1
    assert not manager.associated()


@pytest.mark.parametrize(("length", "result"), [(0, 1), (7, 1), (8, 0), (64, 0), (65, 1)])
def test_the_clients_challenge_has_a_legal_length(length: int, result: int) -> None:
    assert Manager(world()).aarq(calling_authentication_value=bytes(length)).result == result
    for mechanism in (Mechanism.HLS_SHA1, Mechanism.HLS_SHA256):
        challenge = bytes(length) or b"1"
        assert asked(world(mechanism, context=LN), mechanism, challenge)[1].result == result


def test_what_a_client_signed_is_judged_by_its_key() -> None:
    of = world(suite=SUITE_1)
    ciphering = ServerCiphering(of.setup, of.setup.ciphering(CLIENT_TITLE), GLOBAL)
    signature = of.security.provider.sign(b"data")
    ciphering.verify(signature, b"data")
    with pytest.raises(SecurityError, match="signature does not fit"):
        ciphering.verify(signature, b"other")


def test_a_certificate_means_nothing_in_suite_0() -> None:
    assert Manager(world()).aarq(calling_ae_qualifier=b"a certificate").result == 0


def test_general_envelopes_need_general_protection() -> None:
    for conformance, served in ((EVERYTHING, True), (EVERYTHING & ~Conformance.GENERAL_PROTECTION, False)):
        manager = Manager(world(conformance=conformance)).open()
        assert manager.accepted(manager.close(READ, AE, Shape(Envelope.GENERAL))) is served
        assert manager.accepted(manager.close(READ))


def test_general_envelopes_of_broadcasts_need_general_protection() -> None:
    of = world()
    ciphering = ServerCiphering(of.setup, of.setup.ciphering(CLIENT_TITLE), GLOBAL)
    broadcast = Manager(of).close(READ, AE, Shape(Envelope.GENERAL, broadcast=True))
    with pytest.raises(SecurityError, match="general-protection was not negotiated"):
        ciphering.open_broadcast(broadcast)
    ciphering.general = True
    assert ciphering.open_broadcast(broadcast).plain == READ


def test_a_proof_may_come_in_a_general_envelope() -> None:
    """Passes 3 and 4 are under the global key in any envelope, whatever was negotiated for what comes after them."""
    manager = Manager(world(conformance=EVERYTHING & ~Conformance.GENERAL_PROTECTION))
    assert manager.prove(wait(manager), Shape(Envelope.GENERAL))


def test_an_answer_has_the_envelope_of_its_request_and_else_of_the_initiate() -> None:
    for policy, request, tag in (
        (Policy.NOTHING, Shape(Envelope.GENERAL), 0xDB),
        (Policy.NOTHING, Shape(Envelope.IDENTIFIED), 0xDD),
        (Policy.AUTHENTICATED_RESPONSE, None, 0xCC),
    ):
        manager = Manager(world(policy=policy)).open()
        answer = manager.line.say(READ if request is None else manager.close(READ, AE, request), MANAGER)
        assert answer is not None
        assert answer[0] == tag


def test_the_room_that_an_answer_needs_for_its_envelope() -> None:
    of = world()
    suite = of.setup.provider.suite
    general, none = Conformance.GENERAL_PROTECTION, Conformance(0)
    for initiate, conformance, envelope in (
        (Envelope.SERVICE, none, Envelope.SERVICE),
        (Envelope.SERVICE, general, Envelope.GENERAL),
        (Envelope.GENERAL, none, Envelope.GENERAL),
        (Envelope.IDENTIFIED, none, Envelope.IDENTIFIED),
        (Envelope.IDENTIFIED, general, Envelope.IDENTIFIED),
    ):
        ciphering = ServerCiphering(of.setup, of.setup.ciphering(CLIENT_TITLE), Shape(initiate))
        assert ciphering.overhead(conformance) == overhead(envelope, AE, suite)
        assert not ciphering.general


def test_security_objects_are_read_only_unless_managed() -> None:
    for managed in (False, True):
        objects = security_objects(SETUP, managed=managed) if managed else security_objects(SETUP)
        setup = objects[64, SETUP]
        assert setup.interface.version == 1
        assert bool(setup.rights.methods) is managed
        assert not any(access.writable for access in setup.rights.attributes.values())


def test_a_request_has_the_title_of_the_association() -> None:
    of = world()
    manager = Manager(of).open()
    other = Ciphering(Channel(of.security.provider, Counters(MemoryCounterStore()), b"CLI00002", SERVER_TITLE))
    assert not manager.accepted(other.close(READ, AE, Shape(Envelope.GENERAL)))
    assert not manager.accepted(other.close(READ, AE, GLOBAL))
    assert manager.associated()


def test_a_request_in_clear_is_served_where_the_policy_allows_it_only() -> None:
    for policy, served in ((Policy.NOTHING, True), (Policy.AUTHENTICATED_REQUEST, False)):
        manager = Manager(world(policy=policy)).open()
        reply = manager.line.say(READ, MANAGER)
        assert reply is not None
        assert (reply[:1] == b"\xc4") is served


def test_an_answer_is_protected_as_its_request_and_as_the_policy_and_the_right_want() -> None:
    for policy, right, asked, given in (
        (Policy.NOTHING, Access.NONE, A, 0x10),
        (Policy.NOTHING, Access.NONE, AE, 0x30),
        (Policy.AUTHENTICATED_RESPONSE, Access.NONE, Protection.NONE, 0x10),
        (Policy.AUTHENTICATED_RESPONSE | Policy.ENCRYPTED_RESPONSE, Access.NONE, A, 0x30),
        (Policy.NOTHING, Access.AUTHENTICATED_RESPONSE, Protection.NONE, 0x10),
        (Policy.NOTHING, Access.AUTHENTICATED_RESPONSE | Access.ENCRYPTED_RESPONSE, A, 0x30),
    ):
        manager = Manager(world(policy=policy, access=Access.READ_WRITE | right)).open()
        answer = manager.line.say(manager.close(READ, asked) if asked else READ, MANAGER)
        assert answer is not None
        at = 2 + max(0, answer[1] - 0x80)
        assert (answer[0], answer[at]) == (0xCC, given)


def test_a_right_that_wants_protection_is_not_one_without_it() -> None:
    manager = Manager(world(policy=Policy.NOTHING, access=Access.READ_WRITE | Access.ENCRYPTED_REQUEST)).open()
    for data in (READ, write(b"1")):
        assert not manager.accepted(manager.close(data, A))
        assert manager.accepted(manager.close(data, AE))


def test_a_protected_request_is_none_in_a_context_without_ciphering() -> None:
    of = world(Mechanism.NONE, context=LN)
    manager = Manager(of)
    assert manager.aarq(manager.initiate).result == 0
    assert manager.line.say(manager.close(READ), MANAGER)[:1] == ExceptionResponse.prefix  # type: ignore[index]
    assert manager.line.say(READ, MANAGER)[:1] == b"\xc4"  # type: ignore[index]


def test_keys_that_were_changed_are_the_keys_of_the_next_request() -> None:
    of = world()
    manager = Manager(of).open()
    of.setup.provider = of.setup.provider.with_encryption(Secret(b"D" * 16))
    assert not manager.associated()


def test_the_counter_that_is_expected_is_told() -> None:
    manager = Manager(world()).open()
    old = manager.close(READ)
    assert manager.accepted(old)
    reply = manager.say(old)
    assert isinstance(reply, ExceptionResponse)
    assert reply.service_error == ServiceError.INVOCATION_COUNTER_ERROR
    assert reply.invocation_counter == manager.of.setup.ciphering(CLIENT_TITLE).channel.receiving().expected
