"""From a key pair to a certificate in force; an authority for test benches; what the key file then holds."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dlms.errors import LocalProtocolError
from dlms.security import enrolment, points
from dlms.security.bench_authority import BenchAuthority
from dlms.security.certificates import Purpose, check_authority, read
from dlms.security.enrolment import ANCHOR, AUTHORITY, DEVICE, add_anchor, add_authority, enrol, held, remove, request
from dlms.security.keyfile import PRIVATE_KEYS, DeviceKeys, KeyFile
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.signing_request import read_request
from dlms.security.store import PrivateFileError, write_private
from dlms.security.subject import CertificateError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from tests.dlms.security import certificate_forge as forge

NOW, DAY, TITLE = forge.NOW, forge.DAY, forge.TITLE
OTHER = bytes.fromhex("4D4D4D0000000001")
BENCH = {suite.id: BenchAuthority.create("bench", suite, NOW, 100) for suite in (SUITE_1, SUITE_2)}
SUITES = pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: suite.curve_name)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def file(suite=SUITE_1, **entries: DeviceKeys) -> KeyFile:
    made = KeyFile({"m": DeviceKeys(KeySet(), suite, TITLE), **entries})
    add_anchor(made, der(BENCH[suite.id].certificate), NOW)
    return made


def ask(made: KeyFile, purpose: Purpose = Purpose.SIGNATURE, name: str = "m") -> bytes:
    """A certificate for a key that waits in the entry."""
    made.devices[name], asked = request(made[name], purpose)
    return BENCH[made[name].suite.id].issue(asked, purpose, NOW, 10)


@SUITES
@pytest.mark.parametrize("purpose", Purpose)
def test_a_waiting_key_and_its_certificate_come_into_force_together(suite, purpose):
    made, name = file(suite), purpose.name.lower()
    certificate = ask(made, purpose)
    waiting = made["m"].requested[name]
    assert made["m"].private_key(name) is None
    assert enrol(made, certificate, NOW) == "m"
    after = made["m"]
    assert (after.private_key(name), after.certificates, after.requested) == (waiting, {name: certificate}, {})
    peers = made.peers(NOW)
    assert peers.refused == ()
    own = points.private_key(waiting, suite).public_key()
    assert peers.key(TITLE, purpose, suite) == points.public_octets(own, suite)
    assert {field: getattr(after, field) is not None for field in PRIVATE_KEYS.values()} == {
        field: one == name for one, field in PRIVATE_KEYS.items()
    }


def test_the_other_waiting_keys_wait_on():
    made = file()
    certificate = ask(made)
    ask(made, Purpose.TLS)
    waiting = made["m"].requested["tls"]
    enrol(made, certificate, NOW)
    assert made["m"].requested == {"tls": waiting}


def test_a_request_is_repeated_for_the_key_that_waits():
    device, first = request(DeviceKeys(KeySet(), SUITE_1, TITLE), Purpose.SIGNATURE)
    again, second = request(device, Purpose.SIGNATURE)
    assert again == device
    assert read_request(first).public_octets == read_request(second).public_octets
    other, third = request(device, Purpose.TLS)
    assert set(other.requested) == {"signature", "tls"}
    assert read_request(third).public_octets != read_request(first).public_octets


def test_requests_name_the_device():
    found = read_request(request(DeviceKeys(KeySet(), SUITE_2, TITLE), Purpose.TLS, "1.2.3.4")[1])
    assert (found.system_title, found.suite) == (TITLE, SUITE_2)
    names = found.request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names[0].value.endswith(TITLE)


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        (DeviceKeys(KeySet(), SUITE_1), "names a system title"),
        (DeviceKeys(KeySet(), SUITE_0, TITLE), "suite 0 has no public key"),
    ],
)
def test_who_cannot_ask(device, reason):
    with pytest.raises(LocalProtocolError, match=reason):
        request(device, Purpose.SIGNATURE)


def test_a_certificate_of_the_key_in_force_renews_it():
    made = file()
    enrol(made, ask(made), NOW)
    key = made["m"].signing_key
    device = dataclasses.replace(made["m"], requested={"signature": key}, signing_key=None)
    _, again = request(device, Purpose.SIGNATURE)
    renewed = BENCH[1].issue(again, Purpose.SIGNATURE, NOW, 20)
    ask(made)
    waiting = made["m"].requested
    enrol(made, renewed, NOW)
    assert (made["m"].signing_key, made["m"].certificates) == (key, {"signature": renewed})
    assert made["m"].requested == waiting, "the new key still waits"


def test_a_certificate_of_another_key_is_refused():
    made = file()
    first = ask(made)
    made.devices["m"] = dataclasses.replace(made["m"], requested={})
    second = ask(made)
    with pytest.raises(CertificateError, match="another signature key than the one held here"):
        enrol(made, first, NOW)
    enrol(made, second, NOW)
    before = made["m"]
    with pytest.raises(CertificateError, match="another signature key than the one held here"):
        enrol(made, first, NOW)
    assert made["m"] == before


def test_a_key_on_another_curve_does_not_fit():
    root = forge.authority("root-384", "secp384r1")
    made = KeyFile(
        {"m": DeviceKeys(KeySet(), SUITE_1, TITLE, signing_key=Secret(b"\1" * 32))}, (der(root.certificate),)
    )
    with pytest.raises(CertificateError, match="another signature key"):
        enrol(made, der(forge.device(root, curve="secp384r1")), NOW)


def test_a_peers_certificate_is_taken_without_a_key():
    made = file()
    certificate = ask(file(), Purpose.KEY_AGREEMENT)
    assert enrol(made, certificate, NOW) == "m"
    assert made["m"].certificates == {"key_agreement": certificate}
    assert made["m"].agreement_key is None


def test_the_entry_is_the_one_with_the_title():
    certificate = ask(file())
    made = file(twin=DeviceKeys(KeySet(), SUITE_1, TITLE))
    with pytest.raises(CertificateError, match="2 entries have"):
        enrol(made, certificate, NOW)
    assert enrol(made, certificate, NOW, "twin") == "twin"
    made = file(m=DeviceKeys(KeySet(), SUITE_1, OTHER))
    with pytest.raises(CertificateError, match="0 entries have"):
        enrol(made, certificate, NOW)
    with pytest.raises(CertificateError, match="that of 4d4d4d0000bc614e; the device has 4d4d4d0000000001"):
        enrol(made, certificate, NOW, "m")
    with pytest.raises(KeyMaterialError, match="no device 'n'"):
        enrol(made, certificate, NOW, "n")


def test_nothing_enters_unverified():
    made, certificate = file(), ask(file())
    for bad, now, reason in (
        (certificate, NOW + 11 * DAY, "not valid at this time"),
        (certificate[:-1] + bytes([certificate[-1] ^ 1]), NOW, "vouches"),
        (b"\x30\0", NOW, "cannot be read"),
    ):
        with pytest.raises(CertificateError, match=reason):
            enrol(made, bad, now)
    for add, reason in ((add_anchor, "not signed by its issuer"), (add_authority, "vouches")):
        below = forge.authority("below", above=forge.authority("above")).certificate
        with pytest.raises(CertificateError, match=reason):
            add(made, der(below), NOW)
    with pytest.raises(CertificateError, match="vouches"):
        add_authority(made, der(forge.authority("who trusts himself").certificate), NOW)
    with pytest.raises(CertificateError, match="critical basicConstraints"):
        add_anchor(made, certificate, NOW)
    assert (made.anchors, made.authorities) == (file().anchors, ())
    assert made["m"].certificates == {}


def chained() -> KeyFile:
    root = forge.authority()
    made = file()
    add_anchor(made, der(root.certificate), NOW)
    add_authority(made, der(forge.authority("below", above=root).certificate), NOW)
    enrol(made, ask(made), NOW)
    return made


def test_what_is_there_already_is_not_added_twice():
    made = chained()
    before = made.text()
    for anchor in made.anchors:
        add_anchor(made, anchor, NOW)
    add_authority(made, made.authorities[0], NOW)
    assert made.text() == before


def test_every_certificate_is_listed():
    made = chained()
    assert [(one.role, one.name, one.purpose) for one in held(made)] == [
        (ANCHOR, "", ""),
        (ANCHOR, "", ""),
        (AUTHORITY, "", ""),
        (DEVICE, "m", "signature"),
    ]
    assert [one.der for one in held(made)] == [*made.anchors, *made.authorities, made["m"].certificates["signature"]]
    assert all(one.certificate == read(one.der) for one in held(made))
    made.devices["bad"] = DeviceKeys(KeySet(), certificates={"tls": b"\x30\0"})
    with pytest.raises(CertificateError, match="bad: the certificate cannot be read"):
        held(made)
    with pytest.raises(CertificateError, match="anchor: the certificate cannot be read"):
        held(KeyFile({}, (b"",)))


def test_removing_takes_one_and_leaves_its_key():
    for number in range(4):
        made = chained()
        all_of = held(made)
        key = made["m"].signing_key
        remove(made, all_of[number])
        assert held(made) == [one for one in all_of if one is not all_of[number]]
        assert made["m"].signing_key == key


def test_removing_looks_at_the_role():
    """The same certificate as anchor and as authority."""
    root = der(BENCH[1].certificate)
    made = KeyFile({}, (root,), (root,))
    remove(made, held(made)[1])
    assert (made.anchors, made.authorities) == ((root,), ())
    made = KeyFile({}, (root,), (root,))
    remove(made, held(made)[0])
    assert (made.anchors, made.authorities) == ((), (root,))


def test_roles_are_named():
    assert (enrolment.DEVICE, enrolment.AUTHORITY, enrolment.ANCHOR) == ("device", "authority", "anchor")


# the authority of a test bench


@SUITES
def test_it_is_an_authority_by_every_rule(suite):
    made = BENCH[suite.id].certificate
    check_authority(made, made, NOW)
    assert made.subject.rfc4514_string() == "CN=TEST BENCH ONLY bench"
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW, NOW + 100 * DAY)
    assert 0 < made.serial_number < 1 << 159
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.path_length == 0, "nothing stands between it and a device"


@SUITES
def test_it_is_kept_in_one_private_file(suite, tmp_path):
    path = tmp_path / "ca.pem"
    BENCH[suite.id].save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = BenchAuthority.load(path, NOW)
    assert loaded.certificate == BENCH[suite.id].certificate
    assert loaded.key.private_numbers() == BENCH[suite.id].key.private_numbers()
    with pytest.raises(PrivateFileError, match="exists"):
        BENCH[suite.id].save(path)
    with pytest.raises(CertificateError, match="not valid"):
        BenchAuthority.load(path, NOW + 101 * DAY)
    path.chmod(0o640)
    with pytest.raises(PrivateFileError, match="0640"):
        BenchAuthority.load(path, NOW)


def pem(key: object, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not the private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "not the private key"),
        (pem(BENCH[1].key, BENCH[1].certificate).split(b"-----BEGIN CERT")[0], "cannot be read"),
        (pem(BENCH[1].key, BENCH[2].certificate), "private key is not that"),
        (pem(forge.rsa_key(), BENCH[1].certificate), "private key is not that"),
        (pem(forge.key("device"), forge.device(forge.authority())), "basicConstraints"),
    ],
)
def test_files_that_hold_no_authority(tmp_path, content, reason):
    write_private(tmp_path / "ca.pem", content)
    with pytest.raises((PrivateFileError, CertificateError), match=reason):
        BenchAuthority.load(tmp_path / "ca.pem", NOW)


def test_what_it_issues_is_right_by_every_rule():
    issued = {}
    for purpose in Purpose:
        made = file()
        found = read(ask(made, purpose))
        issued[purpose] = found
        assert made.peers(NOW).certificates.verify(found, NOW).purpose is purpose
        assert (found.not_valid_before_utc, found.not_valid_after_utc) == (NOW, NOW + 10 * DAY)
        above = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        own = BENCH[1].certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        assert above == own
    assert len({one.serial_number for one in issued.values()}) == 3


def test_a_hardware_name_travels_into_the_certificate():
    _, asked = request(DeviceKeys(KeySet(), SUITE_1, TITLE), Purpose.TLS, "1.2.3.4")
    found = read(BENCH[1].issue(asked, Purpose.TLS, NOW, 1))
    name = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert name.value[0].value.endswith(TITLE)
    assert not name.critical


def test_a_request_cannot_make_itself_an_authority():
    builder = x509.CertificateSigningRequestBuilder(forge.name(TITLE.hex()))
    for extension in (x509.BasicConstraints(True, None), forge.usage("key_cert_sign", "crl_sign")):
        builder = builder.add_extension(extension, critical=True)
    asked = builder.sign(forge.key("device"), hashes.SHA256()).public_bytes(Encoding.DER)
    found = read(BENCH[1].issue(asked, Purpose.SIGNATURE, NOW, 1))
    assert file().peers(NOW).certificates.verify(found, NOW).purpose is Purpose.SIGNATURE


def test_what_it_does_not_issue():
    _, asked = request(DeviceKeys(KeySet(), SUITE_2, TITLE), Purpose.TLS)
    with pytest.raises(CertificateError, match="P-384 only"):
        BENCH[1].issue(asked, Purpose.TLS, NOW, 1)
    _, asked = request(DeviceKeys(KeySet(), SUITE_1, TITLE), Purpose.TLS)
    with pytest.raises(CertificateError, match="not signed by its own key"):
        BENCH[1].issue(asked[:-1] + bytes([asked[-1] ^ 1]), Purpose.TLS, NOW, 1)
    assert read(BENCH[2].issue(asked, Purpose.TLS, NOW, 1)), "a key on P-256 by an authority on P-384"


@pytest.mark.parametrize("days", [0, -1, 10_000_000])
def test_times_that_cannot_be(days):
    with pytest.raises(LocalProtocolError, match="cannot be valid"):
        BenchAuthority.create("b", SUITE_1, NOW, days)


@pytest.mark.parametrize("length", [49, 200])
def test_names_that_cannot_be(length):
    with pytest.raises(LocalProtocolError, match="1 to 64 characters"):
        BenchAuthority.create("x" * length, SUITE_1, NOW, 1)


def test_the_key_is_not_shown():
    number = BENCH[1].key.private_numbers().private_value
    assert str(number) not in repr(BENCH[1])
    assert "key=" not in repr(BENCH[1])


def test_a_fraction_of_a_second_is_cut_off():
    late = BenchAuthority.create("b", SUITE_1, NOW + datetime.timedelta(microseconds=5), 1)
    check_authority(late.certificate, late.certificate, NOW)
