"""Public keys of other parties: from verified certificates or trusted points, by system title and purpose."""

from __future__ import annotations

import dataclasses
import functools

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from dlms.errors import SecurityError
from dlms.security import agreement, points, signature
from dlms.security.certificates import Purpose
from dlms.security.hls import EcdsaScheme
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.peers import Peers
from dlms.security.providers import MemoryKeyProvider
from dlms.security.subject import CertificateError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from dlms.security.trust import CertificateStore
from tests.dlms.security.certificate_forge import DAY, NOW, TITLE, authority, device, key

ROOT = authority()
MIDDLE = authority("middle", above=ROOT)
LOWEST = authority("lowest", above=MIDDLE)
OTHER = bytes.fromhex("4D4D4D0000000001")


def der(certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def private(name: str) -> Secret:
    return points.private_secret(key(name), SUITE_1)


def octets(name: str, curve: str = "secp256r1", suite=SUITE_1) -> bytes:
    return points.public_octets(key(name, curve).public_key(), suite)


def certified(purpose: Purpose, name: str, title: bytes = TITLE, issuer=ROOT, **changes) -> bytes:
    return der(device(issuer, purpose, subject=title.hex(), subject_key=key(name), **changes))


def entry(title: bytes | None = TITLE, **fields) -> DeviceKeys:
    return DeviceKeys(KeySet(), SUITE_1, title, **fields)


ANCHORS = (der(ROOT.certificate),)


def file(*authorities: bytes, anchors=ANCHORS, **entries: DeviceKeys) -> KeyFile:
    return KeyFile(entries, anchors, authorities)


def test_certified_keys():
    found = file(
        meter=entry(
            certificates={
                "signature": certified(Purpose.SIGNATURE, "s"),
                "key_agreement": certified(Purpose.KEY_AGREEMENT, "k"),
                "tls": certified(Purpose.TLS, "t"),
            }
        )
    ).peers(NOW)
    assert found.refused == ()
    assert [found.key(TITLE, purpose, SUITE_1) for purpose in Purpose] == [octets("s"), octets("k"), octets("t")]
    with pytest.raises(SecurityError, match="no signature key of 4d4d4d0000000001"):
        found.key(OTHER, Purpose.SIGNATURE, SUITE_1)


def test_trusted_points():
    found = file(meter=entry(public_keys={"signature": octets("s"), "key_agreement": octets("k")})).peers(NOW)
    assert found.key(TITLE, Purpose.SIGNATURE, SUITE_1) == octets("s")
    assert found.key(TITLE, Purpose.KEY_AGREEMENT, SUITE_1) == octets("k")
    with pytest.raises(SecurityError, match="no tls key"):
        found.key(TITLE, Purpose.TLS, SUITE_1)
    untitled = file(meter=entry(None, public_keys={"signature": octets("s")})).peers(NOW)
    with pytest.raises(SecurityError, match="no signature key"):
        untitled.key(TITLE, Purpose.SIGNATURE, SUITE_1)


def test_a_certificate_comes_before_a_point():
    both = entry(certificates={"signature": certified(Purpose.SIGNATURE, "s")}, public_keys={"signature": octets("x")})
    assert file(meter=both).peers(NOW).key(TITLE, Purpose.SIGNATURE, SUITE_1) == octets("s")


def test_a_point_off_the_curve_is_not_trusted():
    found = file(meter=entry(public_keys={"signature": b"\1" * 64})).peers(NOW)
    with pytest.raises(SecurityError, match="not a point"):
        found.key(TITLE, Purpose.SIGNATURE, SUITE_1)


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_2])
def test_keys_of_another_suite(suite):
    certificates = {"signature": certified(Purpose.SIGNATURE, "s")}
    for held in (entry(certificates=certificates), entry(public_keys={"signature": octets("s")})):
        with pytest.raises(Exception, match=r"suite [02]|96 octets") as refusal:
            file(meter=held).peers(NOW).key(TITLE, Purpose.SIGNATURE, suite)
        assert type(refusal.value).__module__ == "dlms.errors"


def test_signatures_are_judged_by_title():
    found = file(meter=entry(public_keys={"signature": octets("s"), "key_agreement": octets("k")})).peers(NOW)
    signed = signature.sign(key("s"), SUITE_1, b"text")
    found.verify(TITLE, SUITE_1, signed, b"text")
    for title, data, made in ((OTHER, b"text", signed), (TITLE, b"test", signed)):
        with pytest.raises(SecurityError):
            found.verify(title, SUITE_1, made, data)
    with pytest.raises(SecurityError, match="does not fit"):
        found.verify(TITLE, SUITE_1, signature.sign(key("k"), SUITE_1, b"text"), b"text")


REFUSED = {
    "of another device": ("signature", certified(Purpose.SIGNATURE, "s", OTHER), "that of 4d4d4d0000000001"),
    "for another purpose": ("tls", certified(Purpose.SIGNATURE, "s"), "one for signature"),
    "expired": ("signature", certified(Purpose.SIGNATURE, "s", end=NOW - DAY / 2), "not valid at this time"),
    "of an authority nobody trusts": (
        "signature",
        certified(Purpose.SIGNATURE, "s", issuer=authority("evil")),
        "vouch",
    ),
    "not a certificate": ("signature", b"\x30\0", "cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_certificates_are_left_out_and_named(case):
    purpose, given, reason = REFUSED[case]
    good = entry(OTHER, certificates={"signature": certified(Purpose.SIGNATURE, "g", OTHER)})
    found = file(bad=entry(certificates={purpose: given}), good=good).peers(NOW)
    ((name, kind, der_given, fault),) = found.refused
    assert (name, kind, der_given) == ("bad", purpose, given)
    assert reason in str(fault)
    for each in Purpose:
        with pytest.raises(SecurityError, match="known and trusted"):
            found.key(TITLE, each, SUITE_1)
    assert found.key(OTHER, Purpose.SIGNATURE, SUITE_1) == octets("g")


def test_a_device_without_title_has_no_certificate():
    found = file(meter=entry(None, certificates={"signature": certified(Purpose.SIGNATURE, "s")})).peers(NOW)
    assert "has no system title" in str(found.refused[0].fault)


def test_a_bad_anchor_stops_everything():
    with pytest.raises(CertificateError, match="not valid"):
        file(anchors=(der(authority(end=NOW - DAY / 2).certificate),)).peers(NOW)
    with pytest.raises(CertificateError, match="cannot be read"):
        file(anchors=(b"",)).peers(NOW)


def test_authorities_in_any_order():
    held = entry(certificates={"signature": certified(Purpose.SIGNATURE, "s", issuer=LOWEST)})
    middle, lowest = der(MIDDLE.certificate), der(LOWEST.certificate)
    for given in ((middle, lowest), (lowest, middle)):
        found = file(*given, meter=held).peers(NOW)
        assert found.refused == ()
        assert found.key(TITLE, Purpose.SIGNATURE, SUITE_1) == octets("s")
    found = file(lowest, meter=held).peers(NOW)
    assert [one.name for one in found.refused] == ["authority", "meter"]


def test_a_provider_of_the_file_does_all_of_hls_ecdsa():
    """Two key files, one for each side; the meter has only the client's certificate, and the other way round."""
    client = entry(
        OTHER, signing_key=private("c"), certificates={"signature": certified(Purpose.SIGNATURE, "c", OTHER)}
    )
    meter = entry(signing_key=private("m"), certificates={"signature": certified(Purpose.SIGNATURE, "m")})
    public = {"signing_key": None}
    ours = file(we=client, meter=dataclasses.replace(meter, identity="we", **public))
    theirs = file(we=meter, client=dataclasses.replace(client, identity="we", **public))
    one, other = ours.provider("meter", ours.peers(NOW)), theirs.provider("client", theirs.peers(NOW))
    assert one.certificate(Purpose.SIGNATURE) == client.certificates["signature"]
    assert one.certificate(Purpose.TLS) is None
    received, sent = b"r" * 32, b"s" * 32
    proof = EcdsaScheme(one.sign, functools.partial(one.verify, TITLE), OTHER, TITLE).prove(received, sent)
    judge = EcdsaScheme(other.sign, functools.partial(other.verify, OTHER), TITLE, OTHER)
    judge.check(proof, sent, received)
    with pytest.raises(SecurityError):
        judge.check(proof, received, sent)


def test_a_provider_agrees_with_the_peer_by_its_title():
    keys = {"agreement_key": private("c"), "public_keys": {"key_agreement": octets("c")}}
    ours = file(we=entry(OTHER, **keys), meter=entry(identity="we", public_keys={"key_agreement": octets("m")}))
    provider = ours.provider("meter", ours.peers(NOW))
    point = provider.peer_key(TITLE, Purpose.KEY_AGREEMENT)
    assert point == octets("m")
    agreed = provider.agree(point, OTHER, TITLE, transaction_id=b"1")
    assert agreed == agreement.agree(key("m"), octets("c"), SUITE_1, OTHER, TITLE, transaction_id=b"1")


def test_a_provider_keeps_its_peers_with_a_dedicated_key():
    found = file(meter=entry(public_keys={"signature": octets("s")}, certificates={"tls": b"x"}))
    provider = found.provider("meter", found.peers(NOW)).with_dedicated(Secret(b"d" * 16))
    assert provider.peer_key(TITLE, Purpose.SIGNATURE) == octets("s")
    assert provider.certificate(Purpose.TLS) == b"x"


def test_a_provider_without_peers_says_so():
    provider = MemoryKeyProvider(KeySet(), SUITE_1)
    for use in (
        functools.partial(provider.peer_key, TITLE, Purpose.SIGNATURE),
        functools.partial(provider.verify, TITLE, bytes(64), b""),
    ):
        with pytest.raises(KeyMaterialError, match="no public keys of other parties"):
            use()
    assert provider.certificate(Purpose.SIGNATURE) is None


def test_without_points_only_certificates_are_believed():
    store = CertificateStore([ROOT.certificate], NOW)
    with pytest.raises(SecurityError, match="known and trusted"):
        Peers(store).key(TITLE, Purpose.SIGNATURE, SUITE_1)
