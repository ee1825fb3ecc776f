"""The security setup object of gurux-dlms, unmodified, against a meter of ours with a key store."""

from __future__ import annotations

import types
from typing import Any

import pytest

pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms.asn.GXPkcs10 import GXPkcs10
from gurux_dlms.objects import GXDLMSSecuritySetup
from gurux_dlms.objects.enums import CertificateEntity, CertificateType
from gurux_dlms.objects.enums.GlobalKeyType import GlobalKeyType

from dlms.enums import ActionCode
from dlms.security import signature
from dlms.security.certificates import Purpose, read
from dlms.security.counters import MemoryCounterStore
from dlms.security.identification import common_name
from dlms.security.key_store import KeyStore
from dlms.security.keys import Secret
from dlms.security.policy import KEY_IDS, Policy
from dlms.security.signing_request import read_request
from dlms.security.suite import SUITE_0, SUITE_1, SecuritySuite
from tests.dlms.kept import AUTHORITIES, DAYS, METER, NOW, OURS, PURPOSES, SETUP, Files, device
from tests.dlms.secured import World
from tests.dlms.server.devices import ENERGY
from tests.interop.deviations import Deviations, PeerError, Refused
from tests.interop.gurux import NAME as PEER
from tests.interop.gurux import GuruxPeer
from tests.interop.test_gurux_security import associated, place

pytestmark = pytest.mark.interop

TRIES = 64


class Meter:
    """A meter with a key store, and the peer's client in an association with it."""

    def __init__(self, suite: SecuritySuite, **options: Any) -> None:
        files, stores = Files.of(suite), (MemoryCounterStore(), MemoryCounterStore())
        self.setup = files.setup(stores[0], **options)
        self.world = World(device(self.setup), self.setup, files.security(stores[1]), *stores)
        self.object = GXDLMSSecuritySetup(str(SETUP))
        self.object.version = 0 if suite is SUITE_0 else 1

    @property
    def keys(self) -> KeyStore:
        assert self.setup.keys is not None
        return self.setup.keys


def call(peer: GuruxPeer, messages: Any) -> Any:
    """What a method returned; Refused with its code."""
    with peer._work():
        return peer._exchange(messages).value


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1], ids=lambda suite: f"suite {suite.id}")
def test_it_transfers_keys(suite: SecuritySuite) -> None:
    meter = Meter(suite)
    new = {name: bytes((16 + at,)) * 16 for name, at in KEY_IDS.items()}
    master = meter.keys.device.keys.get("master", suite).reveal()
    with associated(meter.world) as peer:
        sent = [(GlobalKeyType(KEY_IDS[name]), bytearray(new[name])) for name in ("encryption", "authentication")]
        call(peer, meter.object.globalKeyTransfer(peer.client, bytearray(master), sent))
        peer.client.ciphering.blockCipherKey = bytearray(new["encryption"])
        peer.client.ciphering.authenticationKey = bytearray(new["authentication"])
        assert peer.get(place(ENERGY.value)).value == 1234
        for name in ("broadcast", "master"):
            one = [(GlobalKeyType(KEY_IDS[name]), bytearray(new[name]))]
            call(peer, meter.object.globalKeyTransfer(peer.client, bytearray(master), one))
        with pytest.raises(Refused) as refusal:
            call(peer, meter.object.globalKeyTransfer(peer.client, bytearray(master), sent))
        assert refusal.value.code == ActionCode.OTHER_REASON
    held = meter.keys.device.keys
    assert {name: getattr(held, name) for name in new} == {name: Secret(key) for name, key in new.items()}


def test_it_activates_a_policy() -> None:
    meter = Meter(SUITE_1, policy=Policy.AUTHENTICATED_REQUEST)
    wanted = int(Policy.AUTHENTICATED_REQUEST | Policy.ENCRYPTED_REQUEST | Policy.AUTHENTICATED_RESPONSE)
    with associated(meter.world) as peer:
        call(peer, meter.object.activate(peer.client, wanted))
    assert meter.keys.device.policy == meter.setup.policy == wanted


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
def test_it_enrols_a_meter(purpose: Purpose) -> None:
    meter = Meter(SUITE_1)
    kind = CertificateType(purpose.value)
    with associated(meter.world) as peer:
        for _ in range(TRIES):
            call(peer, meter.object.generateKeyPair(peer.client, purpose.value))
            request = bytes(call(peer, meter.object.generateCertificate(peer.client, purpose.value)))
            if _full(read_request(request).request.signature):
                break
        assert METER.hex().upper() in GXPkcs10(bytearray(request)).subject  # it verifies the signature, too
        made = AUTHORITIES[1].issue(request, purpose, NOW, DAYS)
        call(peer, meter.object.importCertificate(peer.client, types.SimpleNamespace(encoded=bytearray(made))))
        exported = meter.object.exportCertificateByEntity(peer.client, CertificateEntity.SERVER, kind, bytearray(METER))
        assert bytes(call(peer, exported)) == made
        issuer = bytearray(read(made).issuer.public_bytes())
        by_serial = meter.object.exportCertificateBySerial(peer.client, read(made).serial_number, issuer)
        assert bytes(call(peer, by_serial)) == made
    assert meter.keys.provider.certificate(purpose) == made


def _full(der: bytes) -> bool:
    """Whether both halves need all their octets: the peer does not pad those that do not."""
    plain = signature.plain_from_der(der, SUITE_1)
    return plain[0] != 0 and plain[32] != 0


def test_it_lists_and_removes_certificates() -> None:
    meter = Meter(SUITE_1)
    with associated(meter.world) as peer:
        with peer._work():
            value = peer._exchange(peer.client.read(meter.object, 6)).value
            peer.client.updateValue(meter.object, 6, value)
        listed = meter.object.certificates
        kinds = sorted((int(one.entity), int(one.type_)) for one in listed)
        assert kinds == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)]
        assert {common_name(bytes(one.subject)) for one in listed if one.entity == CertificateEntity.CLIENT} == {
            OURS.hex().upper()
        }
        which = CertificateEntity.CLIENT, CertificateType.DIGITAL_SIGNATURE, bytearray(OURS)
        call(peer, meter.object.removeCertificateByEntity(peer.client, *which))
        with pytest.raises(Refused):
            call(peer, meter.object.removeCertificateByEntity(peer.client, *which))
    assert len(meter.keys.certificates()) == 4


def test_what_it_cannot_do() -> None:
    meter = Meter(SUITE_1)
    noted, of = Deviations(PEER, "security setup"), meter.object
    row = next(one for one in meter.keys.certificates() if one.entity == CertificateEntity.CLIENT)
    with associated(meter.world) as peer:
        with noted.at("key agreement"):
            call(peer, _made(lambda: of.keyAgreement(peer.client, GlobalKeyType.UNICAST_ENCRYPTION)))
        with noted.at("remove by serial number"):
            call(peer, _made(lambda: of.removeCertificateBySerial(peer.client, row.serial, row.issuer)))
    noted.check()


def _made(make: Any) -> Any:
    try:
        return make()
    except Exception as fault:
        raise PeerError(f"{type(fault).__name__}: {fault}") from fault
