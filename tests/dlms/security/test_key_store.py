"""What a device holds, and each rule of what a client may do to it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dlms.errors import DlmsError, LocalProtocolError, SecurityError
from dlms.security import agreement, key_store, points, signature
from dlms.security.bench_authority import BenchAuthority
from dlms.security.certificates import Purpose, read
from dlms.security.enrolment import add_anchor
from dlms.security.identification import ByEntity, BySerial, CertificateInfo, Entity, identification
from dlms.security.key_store import MAX_CERTIFICATES, KeyStore
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.policy import KEY_IDS, Policy
from dlms.security.signing_request import create_request, read_request
from dlms.security.store import PrivateFileError
from dlms.security.subject import CertificateError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from dlms.security.wrap import wrap
from dlms.values import Enum
from tests.dlms.security import certificate_forge as forge

NOW, DAY = forge.NOW, forge.DAY
METER, CLIENT = forge.TITLE, b"CLI00001"
BENCH = {suite.id: BenchAuthority.create("bench", suite, NOW, 100) for suite in (SUITE_1, SUITE_2)}
SUITES = pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: suite.curve_name)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def anchor(suite: SecuritySuite) -> bytes:
    return der(BENCH[suite.id].certificate)


def key_set(suite: SecuritySuite) -> KeySet:
    return KeySet(*(bytes((at,)) * suite.key_length for at in (1, 2, 3, 4)))


def file(suite: SecuritySuite = SUITE_1, *anchors: bytes) -> KeyFile:
    signing = None
    if suite is not SUITE_0:
        signing = points.private_secret(points.generate(suite), suite)
    made = KeyFile({"meter": DeviceKeys(key_set(suite), suite, METER, signing_key=signing)})
    for one in anchors or ((anchor(suite),) if suite is not SUITE_0 else ()):
        add_anchor(made, one, NOW)
    return made


def store(suite: SecuritySuite = SUITE_1, *anchors: bytes) -> KeyStore:
    return KeyStore(file(suite, *anchors), "meter", lambda: NOW)


def issued(suite: SecuritySuite = SUITE_1, title: bytes = CLIENT, purpose: Purpose = Purpose.SIGNATURE) -> bytes:
    """A certificate of somebody."""
    return BENCH[suite.id].issue(create_request(points.generate(suite), title, suite), purpose, NOW, 10)


def enrolled(of: KeyStore, purpose: Purpose = Purpose.SIGNATURE) -> bytes:
    """A certificate of the device, imported."""
    of.generate(purpose)
    made = BENCH[of.device.suite.id].issue(of.request(purpose), purpose, NOW, 10)
    of.take(made)
    return made


def refused(of: KeyStore, certificate: bytes, reason: str) -> None:
    before = of._file.text()
    with pytest.raises(CertificateError, match=reason):
        of.take(certificate)
    assert of._file.text() == before


# keys


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1, SUITE_2], ids=lambda suite: f"suite {suite.id}")
def test_keys_are_transferred(suite):
    of = store(suite)
    new, before = Secret(b"n" * suite.key_length), of.provider
    master = key_set(suite).get("master", suite)
    of.transfer({"encryption": wrap(master, new, suite), "broadcast": wrap(master, new, suite)})
    assert (of.device.keys.encryption, of.device.keys.broadcast) == (new, new)
    assert of.device.keys.authentication == key_set(suite).authentication
    assert of.provider is not before
    assert of.provider.fingerprint() != before.fingerprint()


def test_keys_are_taken_all_or_none():
    of = store()
    master = key_set(SUITE_1).get("master", SUITE_1)
    good = wrap(master, Secret(b"n" * 16), SUITE_1)
    with pytest.raises(SecurityError, match="does not fit the master key"):
        of.transfer({"encryption": good, "authentication": bytes(24)})
    assert of.device.keys == key_set(SUITE_1)


class Client:
    """The other end of a key agreement."""

    def __init__(self, suite: SecuritySuite) -> None:
        self.suite, self.signing, self.ephemeral = suite, points.generate(suite), points.generate(suite)

    def sign(self, data: bytes) -> bytes:
        return signature.sign(self.signing, self.suite, data)

    def verify(self, signed: bytes, data: bytes) -> None:
        signature.verify(self.signing.public_key(), self.suite, signed, data)

    def part(self, name: str, key_id: int | None = None) -> bytes:
        number = KEY_IDS[name] if key_id is None else key_id
        return agreement.signed_ephemeral(self.ephemeral.public_key(), self.suite, self.sign, number)


@SUITES
@pytest.mark.parametrize("name", KEY_IDS)
def test_keys_are_agreed_on(suite, name):
    of, client = store(suite), Client(suite)
    answers = of.agree({name: client.part(name)}, CLIENT, client.verify)
    own = of.device.signing_key
    assert own is not None
    public = points.private_key(own, suite).public_key()
    point = agreement.verified_ephemeral(
        answers[name], suite, lambda signed, data: signature.verify(public, suite, signed, data), KEY_IDS[name]
    )
    algorithm = agreement.algorithm_of(name, suite)
    key = agreement.agree(client.ephemeral, point, suite, CLIENT, METER, algorithm=algorithm)
    assert getattr(of.device.keys, name) == key
    others = {other: getattr(key_set(suite), other) for other in KEY_IDS if other != name}
    assert others == {other: getattr(of.device.keys, other) for other in others}


def test_a_point_is_agreed_on_for_its_own_key():
    of, client = store(), Client(SUITE_1)
    with pytest.raises(SecurityError, match="signature does not fit"):
        of.agree({"encryption": client.part("encryption", key_id=1)}, CLIENT, client.verify)
    assert of.device.keys == key_set(SUITE_1)


def test_a_point_that_somebody_else_signed_is_refused():
    of, client, other = store(), Client(SUITE_1), Client(SUITE_1)
    with pytest.raises(SecurityError, match="signature does not fit"):
        of.agree({"encryption": other.part("encryption")}, CLIENT, client.verify)
    assert of.device.keys == key_set(SUITE_1)


def test_a_point_off_the_curve_is_refused():
    of, client = store(), Client(SUITE_1)
    point = bytes(63) + b"\x01"
    with pytest.raises(SecurityError, match="not a point"):
        of.agree({"encryption": point + client.sign(b"\x00" + point)}, CLIENT, client.verify)


def test_points_are_taken_all_or_none():
    of, client = store(), Client(SUITE_1)
    parts = {"encryption": client.part("encryption"), "authentication": client.part("encryption")}
    with pytest.raises(SecurityError):
        of.agree(parts, CLIENT, client.verify)
    assert of.device.keys == key_set(SUITE_1)


def test_suite_0_agrees_on_nothing():
    with pytest.raises(LocalProtocolError, match="no public key algorithms"):
        store(SUITE_0).agree({"encryption": bytes(128)}, CLIENT, lambda signed, data: None)
    with pytest.raises(LocalProtocolError, match="no public key algorithms"):
        store(SUITE_0).generate(Purpose.SIGNATURE)


# key pairs


@SUITES
@pytest.mark.parametrize("purpose", Purpose)
def test_a_meter_is_enrolled(suite, purpose):
    of = store(suite)
    old = of.device.private_key(purpose.name.lower())
    of.generate(purpose)
    asked = read_request(of.request(purpose))
    assert (asked.system_title, asked.suite) == (METER, suite)
    assert of.device.private_key(purpose.name.lower()) == old, "the old key serves until the certificate comes"
    made = BENCH[suite.id].issue(asked.der, purpose, NOW, 10)
    of.take(made)
    new = of.device.private_key(purpose.name.lower())
    assert new is not None
    assert points.public_octets(points.private_key(new, suite).public_key(), suite) == asked.public_octets
    assert of.provider.certificate(purpose) == made
    assert of.export(ByEntity(Entity.SERVER, purpose.value, METER)) == made


def test_each_key_pair_is_new():
    of = store()
    of.generate(Purpose.SIGNATURE)
    first = read_request(of.request(Purpose.SIGNATURE)).public_octets
    of.generate(Purpose.SIGNATURE)
    assert read_request(of.request(Purpose.SIGNATURE)).public_octets != first


def test_the_key_in_force_can_be_certified_again():
    of = store()
    key = of.device.signing_key
    made = BENCH[1].issue(of.request(Purpose.SIGNATURE), Purpose.SIGNATURE, NOW, 10)
    of.take(made)
    assert of.device.signing_key == key


def test_no_request_without_a_key_pair():
    with pytest.raises(LocalProtocolError, match="no key_agreement key pair"):
        store().request(Purpose.KEY_AGREEMENT)


def test_a_certificate_of_its_own_needs_a_key_pair():
    refused(store(), issued(title=METER, purpose=Purpose.TLS), "no tls key pair")


def test_a_certificate_of_another_key_than_its_own_is_refused():
    refused(store(), issued(title=METER), "another signature key")


# certificates


def test_there_is_one_certificate_for_each_purpose():
    of = store()
    first, second, other = issued(), issued(), issued(purpose=Purpose.KEY_AGREEMENT)
    for one in (first, other, second):
        of.take(one)
    held = {of.export(one.identification) for one in of.certificates()}
    assert held == {second, other, anchor(SUITE_1)}
    key = read(second).public_key()
    assert of.provider.peer_key(CLIENT, Purpose.SIGNATURE) == points.public_octets(key, SUITE_1)


def test_a_trust_anchor_is_not_imported():
    of = store()
    refused(of, anchor(SUITE_1), "trusted out of band")
    refused(of, der(BenchAuthority.create("other", SUITE_1, NOW, 100).certificate), "trusted out of band")


def test_a_trust_anchor_is_not_removed():
    of = store()
    (listed,) = of.certificates()
    assert of.export(listed.identification) == anchor(SUITE_1), "but it is exported"
    for which in (listed.identification, ByEntity(Entity.AUTHORITY, 3, b"")):
        with pytest.raises(CertificateError, match="trust anchor is not removed"):
            of.remove(which)
    assert of.certificates() == [listed]


def test_a_certificate_that_nobody_vouches_for_is_not_imported():
    other = BenchAuthority.create("other", SUITE_1, NOW, 100)
    request = create_request(points.generate(SUITE_1), CLIENT, SUITE_1)
    refused(store(), other.issue(request, Purpose.SIGNATURE, NOW, 10), "no trust anchor")


ROOT = forge.authority()
BROKEN: dict[str, tuple[str, Callable[[], x509.Certificate]]] = {
    "usage of an authority": (
        "keyUsage of a device",
        lambda: forge.device(ROOT, usage=(forge.usage("crl_sign"), True)),
    ),
    "usage not critical": ("critical", lambda: forge.device(ROOT, usage=(forge.usage("digital_signature"), False))),
    "no title": ("one system title", lambda: forge.device(ROOT, subject="meter")),
    "two titles": (
        "one system title",
        lambda: forge.device(ROOT, alternative=forge.title_in_hardware_name(CLIENT)),
    ),
    "unknown critical extension": (
        "not understood",
        lambda: forge.device(
            ROOT, more=(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6"), b"\x05\0"), True)
        ),
    ),
    "P-384 by P-256": ("P-384 only", lambda: forge.device(ROOT, curve="secp384r1")),
    "serial of 21 octets": ("20 octets", lambda: forge.device(ROOT, serial=1 << 159)),
    "not valid any more": ("not valid at this time", lambda: forge.device(ROOT, end=NOW - DAY / 2)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_certificate_that_breaks_a_rule_is_not_imported(case):
    reason, make = BROKEN[case]
    refused(store(SUITE_1, der(ROOT.certificate)), der(make()), reason)


def test_a_certificate_on_another_curve_than_the_suites_is_not_imported():
    of = store(SUITE_1, anchor(SUITE_2))
    refused(of, issued(SUITE_2), "another curve than that of the security suite")
    of.take(BENCH[2].issue(create_request(points.generate(SUITE_1), CLIENT, SUITE_1), Purpose.SIGNATURE, NOW, 10))


def test_an_authority_below_an_anchor_is_imported_and_removed():
    of = store(SUITE_1, der(ROOT.certificate))
    below = forge.authority("below", above=ROOT, serial=7)
    client = der(forge.device(below, subject=CLIENT.hex()))
    refused(of, client, "no trust anchor")
    of.take(der(below.certificate))
    of.take(client)
    assert of.provider.peer_key(CLIENT, Purpose.SIGNATURE)
    of.remove(BySerial(7, read(der(below.certificate)).issuer.public_bytes()))
    with pytest.raises(SecurityError, match="no signature key"):
        of.provider.peer_key(CLIENT, Purpose.SIGNATURE)


def test_a_removed_certificate_is_not_used_any_more():
    of = store()
    of.take(issued())
    of.remove(ByEntity(Entity.CLIENT, 0, CLIENT))
    assert len(of.certificates()) == 1
    with pytest.raises(SecurityError, match="no signature key"):
        of.provider.peer_key(CLIENT, Purpose.SIGNATURE)


def test_removing_its_own_certificate_leaves_the_key():
    of = store()
    enrolled(of)
    key = of.device.signing_key
    of.remove(ByEntity(Entity.SERVER, 0, METER))
    assert of.device.signing_key == key
    assert of.provider.certificate(Purpose.SIGNATURE) is None


def test_a_device_holds_no_more_certificates_than_it_has_room_for(monkeypatch):
    assert MAX_CERTIFICATES == 64
    monkeypatch.setattr(key_store, "MAX_CERTIFICATES", 3)
    of = store()
    for title in (b"CLI00001", b"CLI00002"):
        of.take(issued(title=title))
    refused(of, issued(title=b"CLI00003"), "at most")
    of.take(issued(title=b"CLI00002"))


def test_certificates_are_listed():
    of = store()
    own, client = enrolled(of), issued()
    of.take(client)
    rows = {(row.entity, row.certificate_type): row for row in of.certificates()}
    assert set(rows) == {(Entity.SERVER, 0), (Entity.CLIENT, 0), (Entity.AUTHORITY, 3)}
    for key, octets in (
        ((Entity.SERVER, 0), own),
        ((Entity.CLIENT, 0), client),
        ((Entity.AUTHORITY, 3), anchor(SUITE_1)),
    ):
        certificate, row = read(octets), rows[key]
        assert row == CertificateInfo.parse(row.value())
        assert (row.serial, row.issuer) == (certificate.serial_number, certificate.issuer.public_bytes())
        assert (row.subject, row.subject_alt_name) == (certificate.subject.public_bytes(), b"")
        assert of.export(row.identification) == octets
        assert identification(row.identification.value()) == row.identification


@pytest.mark.parametrize("which", ["the number", "its DER"])
def test_a_serial_number_is_written_in_two_ways(which):
    of = store()
    client = issued()
    of.take(client)
    serial, issuer = read(client).serial_number, read(client).issuer.public_bytes()
    octets = (
        serial.to_bytes(21, "big").lstrip(b"\0") if which == "the number" else b"\x02\x14" + serial.to_bytes(20, "big")
    )
    assert of.export(identification((Enum(1), (octets, issuer)))) == client


@pytest.mark.parametrize(
    "which",
    [
        ByEntity(Entity.CLIENT, 0, b"CLI00009"),
        ByEntity(Entity.CLIENT, 1, CLIENT),
        ByEntity(Entity.SERVER, 0, CLIENT),
        BySerial(5, b""),
    ],
)
def test_what_is_not_there_is_neither_exported_nor_removed(which):
    of = store()
    of.take(issued())
    for ask in (of.export, of.remove):
        with pytest.raises(LocalProtocolError, match="0 certificates are so identified"):
            ask(which)
    assert len(of.certificates()) == 2


def test_a_certificate_of_an_authority_has_no_other_name():
    (row,) = (one for one in store().certificates() if one.entity is Entity.AUTHORITY)
    assert row.subject_alt_name == b""


# certificates that are sent


def test_a_sent_certificate_serves_where_none_is_on_file():
    sent = issued()
    provider = store().provider.with_sent_certificate(CLIENT, sent)
    assert provider.peer_key(CLIENT, Purpose.SIGNATURE) == points.public_octets(read(sent).public_key(), SUITE_1)
    with pytest.raises(SecurityError, match="no signature key"):
        store().provider.peer_key(CLIENT, Purpose.SIGNATURE)


def test_a_certificate_on_file_comes_before_one_that_is_sent():
    of = store()
    held = issued()
    of.take(held)
    for sent in (issued(), b"no certificate at all"):
        provider = of.provider.with_sent_certificate(CLIENT, sent)
        assert provider.peer_key(CLIENT, Purpose.SIGNATURE) == points.public_octets(read(held).public_key(), SUITE_1)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (lambda: issued(title=METER), "the certificate is that of"),
        (lambda: issued(purpose=Purpose.KEY_AGREEMENT), "one for key_agreement"),
        (
            lambda: BenchAuthority.create("x", SUITE_1, NOW, 9).issue(
                create_request(points.generate(SUITE_1), CLIENT, SUITE_1), Purpose.SIGNATURE, NOW, 5
            ),
            "no trust anchor",
        ),
        (lambda: b"\x30\x00", "cannot be read"),
    ],
)
def test_a_sent_certificate_keeps_the_trust_rules(sent, reason):
    with pytest.raises(CertificateError, match=reason):
        store().provider.with_sent_certificate(CLIENT, sent())


def test_a_certificate_is_held_against_its_last_day():
    moment = [NOW]
    of = KeyStore(file(), "meter", lambda: moment[0])
    of.take(issued())
    provider = of.provider
    assert provider.peer_key(CLIENT, Purpose.SIGNATURE)
    moment[0] = NOW + 11 * DAY
    with pytest.raises(SecurityError, match="not valid any more"):
        provider.peer_key(CLIENT, Purpose.SIGNATURE)
    with pytest.raises(CertificateError, match="not valid at this time"):
        provider.with_sent_certificate(b"CLI00002", issued(title=b"CLI00002"))


def test_anchors_that_are_not_good_any_more_vouch_for_nobody(tmp_path):
    path, moment = tmp_path / "meter.json", [NOW]
    file().save(path)
    of = KeyStore.open(path, "meter", lambda: moment[0])
    of.take(issued())
    moment[0] = NOW + 200 * DAY
    for held in (of, KeyStore.open(path, "meter", lambda: moment[0])):
        new = Secret(bytes((len(path.read_bytes()) % 251,)) * 16)
        held.transfer({"encryption": wrap(key_set(SUITE_1).get("master", SUITE_1), new, SUITE_1)})
        assert KeyFile.load(path)["meter"].keys.encryption == held.device.keys.encryption == new
        with pytest.raises(SecurityError, match="no signature key"):
            held.provider.peer_key(CLIENT, Purpose.SIGNATURE)
        refused(held, issued(), "not valid at this time")


# keeping


def changes(of: KeyStore) -> dict[str, Callable[[], object]]:
    """One call of every kind that changes the store."""
    client = Client(of.device.suite)
    master = of.device.keys.get("master", of.device.suite)
    signing = BENCH[1].issue(of.request(Purpose.SIGNATURE), Purpose.SIGNATURE, NOW, 10)
    return {
        "transfer": lambda: of.transfer({"encryption": wrap(master, Secret(b"n" * 16), of.device.suite)}),
        "agree": lambda: of.agree({"broadcast": client.part("broadcast")}, CLIENT, client.verify),
        "activate": lambda: of.activate(Policy.AUTHENTICATED_REQUEST),
        "generate": lambda: of.generate(Purpose.TLS),
        "take": lambda: of.take(signing),
        "take client": lambda: of.take(issued()),
        "remove": lambda: of.remove(ByEntity(Entity.CLIENT, 0, CLIENT)),
    }


def test_every_change_is_in_the_file(tmp_path: Path):
    path = tmp_path / "meter.json"
    file().save(path)
    of = KeyStore.open(path, "meter", lambda: NOW)
    before = KeyFile.load(path).text()
    for name, change in changes(of).items():
        change()
        after = KeyFile.load(path).text()
        assert after != before, name
        assert KeyStore.open(path, "meter", lambda: NOW)._file.text() == of._file.text() == after
        before = after
    assert of.device.policy is Policy.AUTHENTICATED_REQUEST


def test_what_cannot_be_kept_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "meter.json"
    file().save(path)
    of = KeyStore.open(path, "meter", lambda: NOW)
    of.take(issued())
    before = of._file.text()
    ready = changes(of)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for change in ready.values():
        with pytest.raises(PrivateFileError, match="No space left"):
            change()
        assert of._file.text() == before
    monkeypatch.undo()
    assert KeyFile.load(path).text() == before


def test_a_disk_that_fails_at_the_very_end_may_have_kept_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "meter.json"
    file().save(path)
    of = KeyStore.open(path, "meter", lambda: NOW)

    before = path.read_bytes()

    def late(*arguments: object) -> None:
        if path.read_bytes() != before:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("dlms.security.store._sync_folder", late)
    with pytest.raises(PrivateFileError, match="Input/output error"):
        of.activate(Policy.AUTHENTICATED_REQUEST)
    assert of.device.policy is Policy.AUTHENTICATED_REQUEST
    assert of._file.text() == KeyFile.load(path).text()


def test_the_secret_of_the_association_is_kept(tmp_path: Path):
    path = tmp_path / "meter.json"
    file().save(path)
    KeyStore.open(path, "meter", lambda: NOW).take_secret(b"another secret")
    kept = KeyFile.load(path)["meter"].secret
    assert kept is not None
    assert kept.reveal() == b"another secret"


def test_a_serial_number_is_one_of_its_issuer():
    of = store()
    certificate = issued()
    of.take(certificate)
    for ask in (of.export, of.remove):
        with pytest.raises(LocalProtocolError, match="0 certificates are so identified"):
            ask(BySerial(read(certificate).serial_number, b"another name"))
    assert len(of.certificates()) == 2


def test_what_is_refused_leaves_the_file_as_it_was(tmp_path: Path):
    path = tmp_path / "meter.json"
    file().save(path)
    of = KeyStore.open(path, "meter", lambda: NOW)
    before = path.read_bytes()
    for change in (lambda: of.take(anchor(SUITE_1)), lambda: of.transfer({"encryption": bytes(24)})):
        with pytest.raises(DlmsError):
            change()
    assert path.read_bytes() == before


def test_nothing_shows_a_key():
    of = store()
    enrolled(of)
    text = repr(of) + repr(of.provider) + repr(of.device)
    assert of.device.signing_key is not None
    assert of.device.signing_key.reveal().hex() not in text


def test_a_device_without_a_title_is_none():
    nameless = dataclasses.replace(file()["meter"], system_title=None)
    with pytest.raises(KeyMaterialError, match="no system title"):
        _ = KeyStore(KeyFile({"meter": nameless}), "meter", lambda: NOW).system_title
