"""The secure client of gurux-dlms, unmodified, against our server: mechanisms, levels, envelopes, suites, release.

What it cannot do in Python is left out: it signs no APDU, knows no P-384, and ciphers nothing with short names.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms.ecdsa.GXPrivateKey import GXPrivateKey
from gurux_dlms.ecdsa.GXPublicKey import GXPublicKey
from gurux_dlms.enums import Authentication, DataType, Security
from gurux_dlms.enums import Conformance as Bits

from dlms.data import decode
from dlms.enums import AccessResult, ApplicationContext, Mechanism
from dlms.interface import AttributeRef
from dlms.security.certificates import Purpose
from dlms.security.policy import Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_1, SUITE_2, SecuritySuite
from dlms.server import Access
from obis import Obis
from tests.dlms.secured import CLIENT_TITLE, MANAGER, SECRET, SERVER_TITLE, World, key_set, world
from tests.dlms.served import served
from tests.dlms.server.devices import ENERGY, LONG, NAME, PROFILE, SERVER
from tests.interop.deviations import Deviations, PeerError, Refused
from tests.interop.gurux import NAME as PEER
from tests.interop.gurux import GuruxPeer
from tests.interop.peer import Place
from tests.interop.test_gurux_sn import ShortNamePeer

pytestmark = pytest.mark.interop

MECHANISMS = {
    Mechanism.NONE: Authentication.NONE,
    Mechanism.LLS: Authentication.LOW,
    Mechanism.HLS: Authentication.HIGH,
    Mechanism.HLS_MD5: Authentication.HIGH_MD5,
    Mechanism.HLS_SHA1: Authentication.HIGH_SHA1,
    Mechanism.HLS_GMAC: Authentication.HIGH_GMAC,
    Mechanism.HLS_SHA256: Authentication.HIGH_SHA256,
    Mechanism.HLS_ECDSA: Authentication.HIGH_ECDSA,
}
SYMMETRIC = [one for one in MECHANISMS if one is not Mechanism.HLS_ECDSA]
WITHOUT_PASSWORD = (Mechanism.NONE, Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)
LEVELS = {
    Protection.AUTHENTICATED: Security.AUTHENTICATION,
    Protection.ENCRYPTED: Security.ENCRYPTION,
    Protection.AUTHENTICATED | Protection.ENCRYPTED: Security.AUTHENTICATION_ENCRYPTION,
}
WRITTEN = bytes(range(251, 0, -1)) * 3
WRAPPER = 8
"""Octets of a wrapper header."""
RLRE = 0x63
SCHEMES = ("tcp", "hdlc")


def prepared(
    of: World,
    mechanism: Mechanism,
    level: Security,
    *,
    general: bool = False,
    dedicated: bool = False,
    secret: bytes = SECRET,
    salt: int = 0,
) -> Callable[[Any], None]:
    """What makes its client one of this world, or one with other keys where there is `salt`."""
    suite = of.setup.provider.suite

    def prepare(client: Any) -> None:
        client.settings.authentication = MECHANISMS[mechanism]
        if mechanism not in WITHOUT_PASSWORD:
            client.password = secret
        keys, ciphering = key_set(suite, salt), client.ciphering
        assert keys.encryption is not None
        assert keys.authentication is not None
        ciphering.systemTitle = CLIENT_TITLE
        ciphering.securitySuite = suite.id
        ciphering.blockCipherKey = bytearray(keys.encryption.reveal())
        ciphering.authenticationKey = bytearray(keys.authentication.reveal())
        ciphering.security = level
        client.useProtectedRelease = level != Security.NONE
        if mechanism is Mechanism.HLS_ECDSA:
            ciphering.signingKeyPair = signing_keys(of)
            client.ctoSChallenge = bytearray(range(32))
        if dedicated:
            ciphering.dedicatedKey = bytearray(range(suite.key_length))
        client.proposedConformance &= ~Bits.GENERAL_PROTECTION
        if general:
            client.proposedConformance |= Bits.GENERAL_PROTECTION

    return prepare


@contextlib.contextmanager
def associated(
    of: World,
    mechanism: Mechanism = Mechanism.HLS_GMAC,
    *,
    scheme: str = "tcp",
    level: Security = Security.AUTHENTICATION_ENCRYPTION,
    general: bool = False,
    dedicated: bool = False,
    secret: bytes = SECRET,
    salt: int = 0,
    **options: Any,
) -> Iterator[GuruxPeer]:
    """An association held by the peer."""
    prepare = prepared(of, mechanism, level, general=general, dedicated=dedicated, secret=secret, salt=salt)
    with served(f"{scheme}://127.0.0.1:0", of.device) as url:
        peer = GuruxPeer(url, MANAGER, SERVER, secure=True, prepare=prepare, **options)
        try:
            yield peer
        finally:
            peer.hang_up()


def signing_keys(of: World) -> tuple[GXPublicKey, GXPrivateKey]:
    """The server's public key and the client's private one, as the peer holds them."""
    provider = of.security.provider
    assert isinstance(provider, MemoryKeyProvider)
    assert provider._signing_key is not None
    public = provider.peer_key(SERVER_TITLE, Purpose.SIGNATURE)
    private = GXPrivateKey.fromRawBytes(bytearray(provider._signing_key.reveal()))
    return GXPublicKey.fromRawBytes(bytearray(b"\x04" + public)), private


def place(ref: AttributeRef[Any]) -> Place:
    return ref.class_id, ref.instance, ref.index


def held(of: World, ref: AttributeRef[Any]) -> Any:
    """What the server holds, as the peer gives it."""
    value = of.device.store.get(ref)
    if isinstance(value, int):
        return int(value)
    return bytes(value) if isinstance(value, bytes) else [int(one) for one in value]


def rows(of: World) -> list[Any]:
    """The rows that the server holds."""
    buffer = of.device.store.get(PROFILE.buffer)
    return [[bytes(row[0]), *map(int, row[1:])] for row in map(decode, buffer.encode(buffer.span(), None))]


def use(peer: GuruxPeer, of: World) -> None:
    """Read, read long, read a list and rows, write in blocks, call: all that came is what the server holds."""
    for ref in (ENERGY.value, ENERGY.scaler_unit, LONG.value, NAME.value):
        assert peer.get(place(ref)).value == held(of, ref)
    listed = (ENERGY.value, NAME.value, ENERGY.scaler_unit)
    assert peer.get_list([place(ref) for ref in listed]) == [held(of, ref) for ref in listed]
    peer.get(place(PROFILE.capture_objects))
    assert peer.rows_by_entry(place(PROFILE.buffer), 2, 3) == rows(of)[1:4]
    peer.set(place(LONG.value), 9, WRITTEN)
    assert held(of, LONG.value) == WRITTEN
    assert peer.get(place(LONG.value)).value == WRITTEN
    peer.call((ENERGY.class_id, ENERGY.instance, 1), 15, 0)


def heard(peer: GuruxPeer) -> list[bytes]:
    """Every APDU that the peer receives over the wrapper from now on."""
    apdus: list[bytes] = []
    receive = peer._line.receive

    def tapped() -> bytes:
        apdus.append(data := receive())
        apdus[-1] = data[WRAPPER:]
        return data

    peer._line.receive = tapped  # type: ignore[method-assign]
    return apdus


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("mechanism", SYMMETRIC, ids=lambda one: one.name)
def test_mechanisms(mechanism: Mechanism, ciphered: bool, scheme: str) -> None:
    of = world(mechanism, context=ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN)
    level = Security.AUTHENTICATION_ENCRYPTION if ciphered else Security.NONE
    with associated(of, mechanism, scheme=scheme, level=level, max_pdu=300) as peer:
        use(peer, of)
        peer.close()


@pytest.mark.parametrize("dedicated", [False, True], ids=["global", "dedicated"])
@pytest.mark.parametrize("general", [False, True], ids=["service", "general"])
@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_levels_and_envelopes(level: Protection, general: bool, dedicated: bool) -> None:
    """The level is that of requests; a response has the envelope and the level of its request."""
    of = world(policy=Policy.NOTHING, allow_unauthenticated=True)
    with associated(of, general=general, dedicated=dedicated) as peer:
        peer.client.ciphering.security = LEVELS[level]
        apdus = heard(peer)
        assert peer.get(place(ENERGY.value)).value == 1234
        tag = (0xDB, 0xDC)[dedicated] if general else (0xCC, 0xD4)[dedicated]
        head = 1 + (9 if general else 0) + 1
        assert (apdus[-1][0], apdus[-1][head]) == (tag, LEVELS[level])
        use(peer, of)
        peer.client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        peer.close()


@pytest.mark.parametrize("dedicated", [False, True], ids=["global", "dedicated"])
@pytest.mark.parametrize("general", [False, True], ids=["service", "general"])
@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=["suite1", "suite2"])
def test_other_suites(suite: SecuritySuite, general: bool, dedicated: bool) -> None:
    of = world(suite=suite)
    with associated(of, general=general, dedicated=dedicated) as peer:
        use(peer, of)
        peer.close()


@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_signatures_of_suite_1(scheme: str, ciphered: bool) -> None:
    context = ApplicationContext.LN_CIPHERED if ciphered else ApplicationContext.LN
    of = world(Mechanism.HLS_ECDSA, SUITE_1, context=context)
    level = Security.AUTHENTICATION_ENCRYPTION if ciphered else Security.NONE
    with associated(of, Mechanism.HLS_ECDSA, scheme=scheme, level=level) as peer:
        use(peer, of)
        peer.close()


def test_the_title_and_the_view_come_out_of_a_ciphered_association() -> None:
    of = world()
    with associated(of, max_pdu=400) as peer:
        assert bytes(peer.client.settings.sourceSystemTitle) == SERVER_TITLE
        granted = of.device.associations[MANAGER, SERVER].objects
        assert {(class_id, bytes(name)) for class_id, name in peer.objects()} == {
            (class_id, bytes(name)) for class_id, name in granted
        }
        with pytest.raises(Refused) as refused:
            peer.get((1, Obis("9.9.9.9.9.9"), 2))
        assert refused.value.code == AccessResult.OBJECT_UNDEFINED
        peer.close()


def test_a_protected_release_ends_the_association() -> None:
    of = world()
    with associated(of) as peer:
        apdus = heard(peer)
        peer._exchange(peer.client.releaseRequest())
        assert (apdus[-1][0], apdus[-1][2:5], apdus[-1][5]) == (RLRE, bytes.fromhex("800100"), 0xBE)
        with pytest.raises(PeerError, match="not possible"):
            peer.get(place(ENERGY.value))


def test_a_plain_release_ends_nothing() -> None:
    """What it sends unless it is told otherwise."""
    of = world()
    found = Deviations(PEER, "ciphered release")
    with associated(of) as peer:
        peer.client.useProtectedRelease = False
        apdus = heard(peer)
        peer._exchange(peer.client.releaseRequest())
        found.equal("reason", (apdus[-1][0], apdus[-1][2:5].hex()), (RLRE, "800100"))
        assert peer.get(place(ENERGY.value)).value == 1234
    found.check()


def test_an_initiate_is_authenticated_and_encrypted_or_refused() -> None:
    found = Deviations(PEER, "initiate")
    for level in (Protection.AUTHENTICATED, Protection.ENCRYPTED):
        of = world(policy=Policy.NOTHING, allow_unauthenticated=True)
        with found.at(str(level)), associated(of, level=LEVELS[level]):
            pass
    found.check()


@pytest.mark.parametrize(
    "level", [Security.NONE, Security.AUTHENTICATION, Security.ENCRYPTION], ids=lambda one: one.name
)
def test_what_is_weaker_than_the_policy_is_refused(level: Security) -> None:
    of = world(allow_unauthenticated=True)
    with associated(of) as peer:
        peer.client.ciphering.security = level
        with pytest.raises(PeerError, match="Ciphering failed"):
            peer.get(place(ENERGY.value))
        peer.client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        assert peer.get(place(ENERGY.value)).value == 1234


@pytest.mark.parametrize("level", LEVELS, ids=str)
def test_rights_that_want_authentication(level: Protection) -> None:
    access = Access.READ_WRITE | Access.AUTHENTICATED_REQUEST
    of = world(policy=Policy.NOTHING, access=access, allow_unauthenticated=True)
    with associated(of) as peer:
        peer.client.ciphering.security = LEVELS[level]
        if Protection.AUTHENTICATED in level:
            assert peer.get(place(ENERGY.value)).value == 1234
            return
        with pytest.raises(Refused) as refused:
            peer.get(place(ENERGY.value))
        assert refused.value.code == AccessResult.READ_WRITE_DENIED


def test_a_counter_from_the_past_is_refused_with_the_one_that_is_expected() -> None:
    of = world()
    with associated(of) as peer:
        expected = peer.client.ciphering.invocationCounter
        peer.client.ciphering.invocationCounter = 1
        apdus = heard(peer)
        with pytest.raises(PeerError, match=r"(?i)invocation counter"):
            peer.get(place(ENERGY.value))
        assert apdus[-1] == bytes.fromhex("d80106") + expected.to_bytes(4, "big")
        peer.client.ciphering.invocationCounter = expected
        assert peer.get(place(ENERGY.value)).value == 1234


@pytest.mark.parametrize("mechanism", [one for one in SYMMETRIC if one is not Mechanism.NONE], ids=lambda one: one.name)
def test_who_does_not_know_the_secret_is_refused(mechanism: Mechanism) -> None:
    of = world(mechanism, context=ApplicationContext.LN)
    with (
        pytest.raises((PeerError, Refused)) as refused,
        associated(of, mechanism, level=Security.NONE, secret=b"another secret!!", salt=16),
    ):
        pass
    assert re.search("(?i)authentication failure|refused with result 3", str(refused.value)), refused.value


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.HLS_GMAC], ids=lambda one: one.name)
def test_who_does_not_know_the_keys_is_refused(mechanism: Mechanism) -> None:
    with pytest.raises(PeerError, match="Authentication failure"), associated(world(mechanism), mechanism, salt=16):
        pass


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS], ids=lambda one: one.name)
def test_mechanisms_with_short_names(mechanism: Mechanism, scheme: str) -> None:
    of = world(mechanism, context=ApplicationContext.SN)
    prepare = prepared(of, mechanism, Security.NONE)
    with (
        served(f"{scheme}://127.0.0.1:0", of.device) as url,
        contextlib.closing(ShortNamePeer(url, MANAGER, prepare=prepare)) as peer,
    ):
        assert peer.read(ENERGY, 2) == 1234
        assert list(peer.read(ENERGY, 3)) == held(of, ENERGY.scaler_unit)
        assert bytes(peer.read(LONG, 2)) == held(of, LONG.value)
        peer.write(LONG, DataType.OCTET_STRING, WRITTEN[:100])
        assert held(of, LONG.value) == WRITTEN[:100]


@pytest.mark.parametrize("mechanism", SYMMETRIC[2:], ids=lambda one: one.name)
def test_its_proof_with_short_names_cannot_be_answered(mechanism: Mechanism) -> None:
    found = Deviations(PEER, "proof with short names")
    _short_names(world(mechanism, context=ApplicationContext.SN), mechanism, Security.NONE, found)
    assert "GXDLMSConfirmedServiceError" in found.found["request"]
    found.check()


def test_it_ciphers_nothing_with_short_names() -> None:
    """It asserts that what it has just ciphered is empty."""
    found = Deviations(PEER, "ciphered short names")
    of = world(context=ApplicationContext.SN_CIPHERED)
    _short_names(of, Mechanism.HLS_GMAC, Security.AUTHENTICATION_ENCRYPTION, found)
    assert "AssertionError" in found.found["request"]
    found.check()


def _short_names(of: World, mechanism: Mechanism, level: Security, found: Deviations) -> None:
    prepare = prepared(of, mechanism, level)
    with served("tcp://127.0.0.1:0", of.device) as url:
        try:
            ShortNamePeer(url, MANAGER, prepare=prepare).close()
        except Exception as fault:  # whatever it raises; the caller says what it must be
            found.equal("request", PeerError(f"{type(fault).__name__}: {fault}"), None)
