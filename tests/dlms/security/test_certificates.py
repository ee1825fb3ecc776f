"""The X.509 profile: certificates that keep every rule, and one for each rule that is broken."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import points, signing_request
from dlms.security.certificates import MAX_CERTIFICATE, Purpose, check_authority, check_device, read
from dlms.security.subject import HARDWARE_MODULE_NAME, CertificateError, hardware_module_name, system_title_of
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from dlms.security.trust import MAX_CHAIN, CertificateStore
from tests.dlms.security.certificate_forge import (
    DAY,
    NOW,
    TITLE,
    Issuer,
    authority,
    device,
    forge,
    hardware_name,
    key,
    name,
    patched,
    rsa_key,
    title_in_hardware_name,
    usage,
)

ROOT, ROOT_384 = authority(), authority("root384", "secp384r1")
OTHER = "0011223344556677"
TLS_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


@pytest.mark.parametrize("purpose", Purpose)
def test_good_device(purpose):
    certificate = device(ROOT, purpose, serial=77)
    found = check_device(certificate, ROOT.certificate, NOW)
    assert (found.purpose, found.system_title, found.suite, found.serial) == (purpose, TITLE, SUITE_1, 77)
    assert found.issuer == ROOT.certificate.subject.public_bytes()
    assert found.public_octets == points.public_octets(key("device").public_key(), SUITE_1)
    assert read(found.der) == certificate


def test_purposes_have_the_numbers_of_the_book():
    assert [(purpose.name, purpose.value) for purpose in Purpose] == [
        ("SIGNATURE", 0),
        ("KEY_AGREEMENT", 1),
        ("TLS", 2),
    ]


GOOD = {
    "P-256 by P-384": lambda: (device(ROOT_384), ROOT_384),
    "P-384 by P-384": lambda: (device(ROOT_384, curve="secp384r1"), ROOT_384),
    "common name in lower case": lambda: (device(ROOT, subject=TITLE.hex()), ROOT),
    "title in both places": lambda: (device(ROOT, alternative=title_in_hardware_name()), ROOT),
    "title as hardware name only": lambda: (device(ROOT, subject="meter", alternative=title_in_hardware_name()), ROOT),
    "critical alternative name": lambda: (device(ROOT, alternative=(title_in_hardware_name()[0], True)), ROOT),
    "TLS for a client": lambda: (device(ROOT, Purpose.TLS, extended=(TLS_CLIENT, False)), ROOT),
    "unknown, not critical": lambda: (device(ROOT, more=(unknown(), False)), ROOT),
    "serial of one": lambda: (device(ROOT, serial=1), ROOT),
    "serial of 20 octets": lambda: (device(ROOT, serial=(1 << 159) - 1), ROOT),
    "first moment": lambda: (device(ROOT, start=NOW), ROOT),
    "last moment": lambda: (device(ROOT, end=NOW), ROOT),
    "key identifier that the issuer does not state": lambda: (device(ROOT, more=identifier("root")), ROOT),
    "key identifiers that fit": lambda: (device(IDENTIFIED, identifier=identifier("identified")), IDENTIFIED),
}


def unknown() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5.6"), b"\x05\0")


def identifier(owner: str) -> tuple[x509.AuthorityKeyIdentifier, bool]:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key(owner).public_key()), False


IDENTIFIED = authority(
    "identified", own=(x509.SubjectKeyIdentifier.from_public_key(key("identified").public_key()), False)
)


@pytest.mark.parametrize("case", GOOD)
def test_good(case):
    certificate, issuer = GOOD[case]()
    found = check_device(certificate, issuer.certificate, NOW)
    assert found.system_title == TITLE
    assert CertificateStore([issuer.certificate], NOW).verify(certificate, NOW) == found


def hardware(octets: bytes) -> x509.Certificate:
    return device(ROOT, subject="meter", alternative=(hardware_name(octets), False))


def flipped_signature(der: bytes) -> bytes:
    return der[:-1] + bytes([der[-1] ^ 1])


BROKEN = {
    "not yet valid": ("not valid at this time", lambda: device(ROOT, start=NOW + DAY / 2)),
    "not valid any more": ("not valid at this time", lambda: device(ROOT, end=NOW - DAY / 2)),
    "serial of 21 octets": ("at most 20 octets", lambda: device(ROOT, serial=1 << 159)),
    "no key usage": ("keyUsage must be there", lambda: device(ROOT, usage=None)),
    "key usage not critical": ("be critical", lambda: device(ROOT, usage=(usage("digital_signature"), False))),
    "key usage of nothing fitting": (
        "keyUsage of a device",
        lambda: device(ROOT, usage=(usage("key_encipherment"), True)),
    ),
    "one usage too many": (
        "keyUsage of a device",
        lambda: device(ROOT, usage=(usage("digital_signature", "content_commitment"), True)),
    ),
    "agreement to encipher only": (
        "keyUsage of a device",
        lambda: device(ROOT, usage=(usage("key_agreement", "encipher_only"), True)),
    ),
    "usage of an authority": (
        "keyUsage of a device",
        lambda: device(ROOT, usage=(usage("key_cert_sign", "crl_sign"), True)),
    ),
    "basicConstraints": (
        "basicConstraints has no place",
        lambda: device(ROOT, more=(x509.BasicConstraints(False, None), True)),
    ),
    "extended usage for signing": ("TLS certificates only", lambda: device(ROOT, extended=(TLS_CLIENT, False))),
    "extended usage for agreement": (
        "TLS certificates only",
        lambda: device(ROOT, Purpose.KEY_AGREEMENT, extended=(TLS_CLIENT, False)),
    ),
    "extended usage of another kind": (
        "server or client",
        lambda: device(ROOT, Purpose.TLS, extended=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)),
    ),
    "unknown critical extension": ("1.2.3.4.5.6 is not understood", lambda: device(ROOT, more=(unknown(), True))),
    "critical extension that is not processed": (
        "is not understood",
        lambda: device(ROOT, more=(x509.NameConstraints([x509.DNSName("a")], None), True)),
    ),
    "no title": ("one system title, not 0", lambda: device(ROOT, subject="meter")),
    "title of 7 octets": ("one system title, not 0", lambda: device(ROOT, subject=TITLE.hex()[:-2])),
    "title of 9 octets": ("one system title, not 0", lambda: device(ROOT, subject=TITLE.hex() + "00")),
    "title not in hex": ("one system title, not 0", lambda: device(ROOT, subject="4D4D4D0000BC614G")),
    "two titles": (
        "one system title, not 2",
        lambda: device(ROOT, alternative=title_in_hardware_name(bytes.fromhex(OTHER))),
    ),
    "hardware name too short": ("HardwareModuleName", lambda: hardware(b"\x30\0")),
    "hardware name of another tag": (
        "HardwareModuleName",
        lambda: hardware(b"\x31" + hardware_module_name("1.2.3", TITLE)[1:]),
    ),
    "hardware name with a tail": (
        "HardwareModuleName",
        lambda: hardware(bytes.fromhex("301006022a03") + b"\x04\x08" + TITLE + b"\x05\0"),
    ),
    "hardware name of 7 octets": (
        "HardwareModuleName",
        lambda: hardware(bytes.fromhex("300d06022a030407") + TITLE[:7]),
    ),
    "hardware name without number": ("HardwareModuleName", lambda: hardware(bytes.fromhex("300406022a03"))),
    "hardware name that runs out": (
        "HardwareModuleName",
        lambda: hardware(bytes.fromhex("300d06022a030408") + TITLE[:7]),
    ),
    "hardware name of other content": (
        "HardwareModuleName",
        lambda: hardware(bytes.fromhex("300e04022a03") + b"\x04\x08" + TITLE),
    ),
    "key on P-521": ("P-256 or P-384", lambda: device(ROOT, curve="secp521r1")),
    "RSA key": ("P-256 or P-384", lambda: device(ROOT, subject_key=rsa_key())),
    "P-384 by P-256": ("certified by a key on P-384 only", lambda: device(ROOT, curve="secp384r1")),
    "hash of the other curve": ("hash of the issuer's curve", lambda: device(ROOT, digest=hashes.SHA384())),
    "unknown hash": ("hash of the issuer's curve", lambda: device(ROOT, digest=hashes.SHA512())),
    "another key identifier": ("another identifier", lambda: device(ROOT, more=identifier("device"))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(case):
    reason, make = BROKEN[case]
    issuer = ROOT
    if case == "another key identifier":
        issuer = IDENTIFIED
        certificate = device(IDENTIFIED, more=identifier("device"))
    else:
        certificate = make()
    with pytest.raises(CertificateError, match=reason):
        check_device(certificate, issuer.certificate, NOW)
    with pytest.raises(CertificateError):
        CertificateStore([issuer.certificate], NOW).add(certificate, NOW)


def test_issued_by_another():
    certificate = device(ROOT)
    impostor = forge(
        "root", key("impostor"), "root", key("impostor"), {"usage": (usage("key_cert_sign", "crl_sign"), True)}
    )
    for issuer in (impostor, ROOT_384.certificate, IDENTIFIED.certificate):
        with pytest.raises(CertificateError, match=r"not signed by its issuer|hash of the issuer"):
            check_device(certificate, issuer, NOW)


def test_signature_flipped():
    certificate = patched(device(ROOT), flipped_signature)
    with pytest.raises(CertificateError, match="not signed by its issuer"):
        check_device(certificate, ROOT.certificate, NOW)
    with pytest.raises(CertificateError, match="no trust anchor"):
        CertificateStore([ROOT.certificate], NOW).add(certificate, NOW)


@given(bit=st.integers(0, 1 << 16))
def test_no_flipped_bit_is_believed(bit):
    der = bytearray(device(ROOT, alternative=title_in_hardware_name()).public_bytes(Encoding.DER))
    der[bit // 8 % len(der)] ^= 1 << bit % 8
    with pytest.raises(CertificateError):
        CertificateStore([ROOT.certificate], NOW).add(read(bytes(der)), NOW)


@given(der=st.binary(max_size=80))
def test_noise_gives_our_errors(der):
    for parse in (read, signing_request.read_request):
        with pytest.raises(CertificateError):
            parse(der)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"meter", b"\xffeter"),
        (b"root", b"\xffoot"),
        (b"260114120000Z", b"261314120000Z"),
        (b"260116120000Z", b"260132120000Z"),
    ],
    ids=["subject", "issuer", "start", "end"],
)
def test_a_certificate_is_read_in_all_its_parts(old, new):
    with pytest.raises(CertificateError, match="cannot be read"):
        patched(device(ROOT, subject="meter"), lambda der: der.replace(old, new))


def test_a_certificate_is_read_with_its_key():
    der = device(ROOT, curve="secp521r1").public_bytes(Encoding.DER)
    with pytest.raises(CertificateError, match="P-256 or P-384"):
        read(der)


def test_size_is_bounded():
    for parse in (read, signing_request.read_request):
        with pytest.raises(CertificateError, match="too long"):
            parse(bytes(MAX_CERTIFICATE + 1))
        with pytest.raises(CertificateError, match="cannot be read"):
            parse(bytes(MAX_CERTIFICATE))


def sequence(content: bytes) -> bytes:
    size = len(content).to_bytes(1 if len(content) < 256 else 2, "big")
    return bytes([0x30, 0x80 | len(size)]) + size + content


def test_version_1_is_refused():
    """[0] EXPLICIT version cut out, lengths mended."""
    der = device(ROOT).public_bytes(Encoding.DER)
    start = der.index(b"\xa0\x03\x02\x01\x02")
    extensions = der.index(b"\xa3", start + 5)
    assert der[:2] == b"\x30\x82"
    size = der[5] & 0x7F
    rest = der[6 + size + int.from_bytes(der[6 : 6 + size], "big") :]
    certificate = read(sequence(sequence(der[start + 5 : extensions]) + rest))
    assert certificate.version is x509.Version.v1
    with pytest.raises(CertificateError, match="version 3"):
        check_device(certificate, ROOT.certificate, NOW)


@pytest.mark.parametrize("serial", [b"\x00", b"\xff"], ids=["zero", "negative"])
def test_serial_must_be_positive(serial):
    def change(der: bytes) -> bytes:
        return der.replace(b"\x02\x01\x7b", b"\x02\x01" + serial, 1)

    with pytest.raises(CertificateError, match="positive"):
        check_device(patched(device(ROOT, serial=0x7B), change), ROOT.certificate, NOW)


def test_time_needs_a_zone():
    with pytest.raises(LocalProtocolError, match="time zone"):
        check_device(device(ROOT), ROOT.certificate, datetime.datetime(2026, 1, 15))


def test_time_in_another_zone():
    zone = datetime.timezone(datetime.timedelta(hours=9))
    certificate = device(ROOT, start=NOW, end=NOW)
    check_device(certificate, ROOT.certificate, NOW.astimezone(zone))
    with pytest.raises(CertificateError, match="at this time"):
        check_device(certificate, ROOT.certificate, NOW.replace(tzinfo=zone))


AUTHORITIES = {
    "no basicConstraints": ("critical basicConstraints", {"constraints": None}),
    "basicConstraints not critical": (
        "critical basicConstraints",
        {"constraints": (x509.BasicConstraints(True, None), False)},
    ),
    "no authority": ("critical basicConstraints", {"constraints": (x509.BasicConstraints(False, None), True)}),
    "no key usage": ("keyUsage must be there", {"usage": None}),
    "key usage not critical": ("be critical", {"usage": (usage("key_cert_sign", "crl_sign"), False)}),
    "no cRLSign": ("keyUsage of an authority", {"usage": (usage("key_cert_sign"), True)}),
    "signs data too": (
        "keyUsage of an authority",
        {"usage": (usage("key_cert_sign", "crl_sign", "digital_signature"), True)},
    ),
    "extended usage": ("extendedKeyUsage has no place", {"extended": (TLS_CLIENT, False)}),
    "unknown critical": ("not understood", {"more": (unknown(), True)}),
    "expired": ("at this time", {"end": NOW - DAY / 2}),
    "serial of 21 octets": ("20 octets", {"serial": 1 << 159}),
    "hash of the other curve": ("hash of the issuer's curve", {"digest": hashes.SHA384()}),
}


@pytest.mark.parametrize("case", AUTHORITIES)
def test_broken_authority(case):
    reason, changes = AUTHORITIES[case]
    broken = authority("broken", **changes)
    with pytest.raises(CertificateError, match=reason):
        check_authority(broken.certificate, broken.certificate, NOW)
    with pytest.raises(CertificateError, match=reason):
        CertificateStore([broken.certificate], NOW)
    below = authority("below", above=ROOT, **changes)
    store = CertificateStore([ROOT.certificate], NOW)
    with pytest.raises(CertificateError, match=reason):
        store.add_authority(below.certificate, NOW)
    with pytest.raises(CertificateError, match="no trust anchor"):
        store.add(device(below), NOW)


def test_an_anchor_signs_itself():
    signed = authority("below", above=ROOT)
    with pytest.raises(CertificateError, match="not signed by its issuer"):
        CertificateStore([signed.certificate], NOW)


def test_a_device_is_no_authority():
    leaf = Issuer(device(ROOT, subject="4D4D4D0000000001"), key("device"))
    store = CertificateStore([ROOT.certificate], NOW)
    with pytest.raises(CertificateError, match="critical basicConstraints"):
        store.add_authority(leaf.certificate, NOW)
    with pytest.raises(CertificateError, match=r"not signed|no trust anchor"):
        store.add(device(leaf), NOW)


def chain(length: int, path: int | None = None, curve: str = "secp256r1") -> list[Issuer]:
    """An anchor and `length` authorities, each below the one before."""
    made = [authority("top", curve, path=path)]
    for number in range(length):
        made.append(authority(f"sub{number}", curve, made[-1]))
    return made


def test_chain():
    top, *subs = chain(3)
    store = CertificateStore([top.certificate], NOW)
    certificate = device(subs[-1])
    with pytest.raises(CertificateError, match="no trust anchor"):
        store.add(certificate, NOW)
    for sub in subs:
        store.add_authority(sub.certificate, NOW)
        store.add_authority(sub.certificate, NOW)
    assert store.add(certificate, NOW).system_title == TITLE
    with pytest.raises(CertificateError, match="at this time"):
        store.verify(certificate, NOW + 2 * DAY)


def test_chain_has_an_end():
    top, *subs = chain(MAX_CHAIN)
    store = CertificateStore([top.certificate], NOW)
    for sub in subs:
        store.add_authority(sub.certificate, NOW)
    assert store.add(device(subs[-2]), NOW)
    with pytest.raises(CertificateError, match="more than 4"):
        store.add(device(subs[-1]), NOW)


def test_authorities_that_vouch_for_each_other():
    store = CertificateStore([ROOT.certificate], NOW)
    loop = authority("loop")
    store._authorities.append(loop.certificate)
    with pytest.raises(CertificateError, match="more than 4"):
        store.add(device(loop), NOW)


def test_an_authority_expires_in_the_middle():
    top = authority("top", end=NOW + 9 * DAY)
    sub = authority("sub0", above=top, end=NOW + DAY)
    store = CertificateStore([top.certificate], NOW)
    store.add_authority(sub.certificate, NOW)
    certificate = device(sub, end=NOW + 9 * DAY)
    store.verify(certificate, NOW)
    with pytest.raises(CertificateError, match="at this time"):
        store.verify(certificate, NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("path", "length", "allowed"), [(0, 0, True), (0, 1, False), (1, 1, True), (1, 2, False), (None, 2, True)]
)
def test_path_length(path, length, allowed):
    top, *subs = chain(length, path)
    store = CertificateStore([top.certificate], NOW)
    below = [top, *subs][-1]

    def add() -> None:
        for sub in subs:
            store.add_authority(sub.certificate, NOW)
        store.add(device(below), NOW)

    if allowed:
        add()
    else:
        with pytest.raises(CertificateError, match=f"allows {path} others below it, not {path + 1}"):
            add()


def test_one_certificate_for_each_device_and_purpose():
    store = CertificateStore([ROOT.certificate], NOW)
    first = store.add(device(ROOT, serial=1), NOW)
    agreeing = store.add(device(ROOT, Purpose.KEY_AGREEMENT, serial=2), NOW)
    assert set(store) == {first, agreeing}
    second = store.add(device(ROOT, serial=3), NOW)
    assert set(store) == {second, agreeing}
    assert store.find(TITLE, Purpose.SIGNATURE) is second
    assert store.find(TITLE, Purpose.KEY_AGREEMENT) is agreeing
    assert store.find(TITLE, Purpose.TLS) is None
    assert store.find(bytes(8), Purpose.SIGNATURE) is None
    issuer = ROOT.certificate.subject.public_bytes()
    assert store.find_serial(issuer, 3) is second
    assert store.find_serial(issuer, 1) is None
    assert store.find_serial(issuer[:-1], 3) is None
    with pytest.raises(LocalProtocolError, match="not in the store"):
        store.remove(first)
    store.remove(second)
    assert set(store) == {agreeing}
    with pytest.raises(LocalProtocolError, match="not in the store"):
        store.remove(second)


def test_a_refused_certificate_replaces_nothing():
    store = CertificateStore([ROOT.certificate], NOW)
    kept = store.add(device(ROOT), NOW)
    with pytest.raises(CertificateError):
        store.add(patched(device(ROOT, serial=9), flipped_signature), NOW)
    assert store.find(TITLE, Purpose.SIGNATURE) is kept


def test_anchors_stay():
    store = CertificateStore([ROOT.certificate, ROOT_384.certificate], NOW)
    assert store.anchors == (ROOT.certificate, ROOT_384.certificate)
    assert not hasattr(store.anchors, "append")
    with pytest.raises(CertificateError, match="no trust anchor"):
        store.add_authority(authority("stranger").certificate, NOW)


@pytest.mark.parametrize(("suite", "curve"), [(SUITE_1, "secp256r1"), (SUITE_2, "secp384r1")], ids=["P-256", "P-384"])
@pytest.mark.parametrize("hardware_type", [None, "1.3.6.1.4.1.99999.1"])
def test_request(suite, curve, hardware_type):
    own = key("device", curve)
    der = signing_request.create_request(own, TITLE, suite, hardware_type)
    found = signing_request.read_request(der)
    assert (found.system_title, found.suite) == (TITLE, suite)
    assert found.public_octets == points.public_octets(own.public_key(), suite)
    assert found.request.subject == name(TITLE.hex().upper())
    assert [one.critical for one in found.request.extensions] == ([] if hardware_type is None else [False])


def test_request_must_be_signed_by_its_own_key():
    der = signing_request.create_request(key("device"), TITLE, SUITE_1)
    with pytest.raises(CertificateError, match="signed by its own key"):
        signing_request.read_request(flipped_signature(der))
    point = points.public_octets(key("device").public_key(), SUITE_1)
    other = points.public_octets(key("other").public_key(), SUITE_1)
    with pytest.raises(CertificateError, match="signed by its own key"):
        signing_request.read_request(der.replace(point, other))


def test_request_has_the_hash_of_its_curve():
    builder = x509.CertificateSigningRequestBuilder(name(TITLE.hex()))
    der = builder.sign(key("device"), hashes.SHA384()).public_bytes(Encoding.DER)
    with pytest.raises(CertificateError, match="curve's hash"):
        signing_request.read_request(der)


def test_request_names_a_title():
    der = (
        x509.CertificateSigningRequestBuilder(name("meter"))
        .sign(key("device"), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(CertificateError, match="not 0"):
        signing_request.read_request(der)


def test_request_on_another_curve():
    der = (
        x509.CertificateSigningRequestBuilder(name(TITLE.hex()))
        .sign(key("device", "secp521r1"), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    with pytest.raises(CertificateError, match="P-256 or P-384"):
        signing_request.read_request(der)
    with pytest.raises(LocalProtocolError, match="no place in security suite 2"):
        signing_request.create_request(key("device"), TITLE, SUITE_2)
    with pytest.raises(LocalProtocolError, match="suite 0"):
        signing_request.create_request(key("device"), TITLE, SUITE_0)
    with pytest.raises(SecurityError, match="8 octets"):
        signing_request.create_request(key("device"), TITLE[:7], SUITE_1)


@pytest.mark.parametrize("oid", ["1.2.3", "0.9.2342.19200300", "2.999.1", "1.3.6.1.4.1.2147483647"])
def test_hardware_module_names(oid):
    octets = hardware_module_name(oid, TITLE)
    assert octets[-10:] == b"\x04\x08" + TITLE
    assert octets[1] == len(octets) - 2
    # the same object identifier as the other encoder writes it
    reference = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid)]).public_bytes()[2:]
    assert octets[2:-10] == reference
    other = x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, octets)])
    found = system_title_of(x509.Name([]), x509.Extension(other.oid, False, other))
    assert found == TITLE


def test_hardware_module_name_holds_eight_octets():
    with pytest.raises(SecurityError, match="8 octets"):
        hardware_module_name("1.2.3", TITLE[:7])


@pytest.mark.parametrize("size", [15, 16, 128, 129])
def test_sizes_of_hardware_names(size):
    octets = bytes([0x30, size - 2, 0x06, size - 14]) + bytes([0x2A] * (size - 14)) + b"\x04\x08" + TITLE
    other = x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, octets)])
    assert system_title_of(x509.Name([]), x509.Extension(other.oid, False, other)) == TITLE


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x0c\x06\x00\x04\x08" + TITLE,
        b"\x30\x80\x06\x74" + bytes(116) + b"\x04\x08" + TITLE,
        b"\x31\x0d\x06\x01\x2a\x04\x08" + TITLE,
        b"\x30\x0e\x06\x01\x2a\x04\x08" + TITLE,
        b"\x30\x0d\x05\x01\x2a\x04\x08" + TITLE,
        b"\x30\x0d\x06\x02\x2a\x04\x08" + TITLE,
        b"\x30\x0d\x06\x01\x2a\x05\x08" + TITLE,
        b"\x30\x0d\x06\x01\x2a\x04\x09" + TITLE,
        b"\x30\x0d\x06\x01\x2a\x04\x07" + TITLE,
        b"\x30\x0c\x06\x01\x2a\x04\x08" + TITLE[:7],
        b"\x30\x0e\x06\x01\x2a\x04\x08" + TITLE + b"\0",
        b"",
        b"\x30",
    ],
)
def test_hardware_names_that_hold_no_title(octets):
    other = x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, octets)])
    with pytest.raises(CertificateError, match="HardwareModuleName"):
        system_title_of(x509.Name([]), x509.Extension(other.oid, False, other))


@pytest.mark.parametrize("oid", ["", "meter", "1", "9.9.9", "1.2." + ".".join(["2147483647"] * 30)])
def test_hardware_type_must_be_an_object_identifier(oid):
    with pytest.raises(LocalProtocolError, match="not an object identifier"):
        hardware_module_name(oid, TITLE)


def test_the_longest_object_identifier_fits():
    oid = "1.2." + ".".join(["2147483647"] * 12)
    octets = hardware_module_name(oid, TITLE)
    assert octets[1] == len(octets) - 2 <= 0x7F
    assert check_device(hardware(octets), ROOT.certificate, NOW).system_title == TITLE


def test_another_other_name_is_ignored():
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
    certificate = device(ROOT, more=(x509.SubjectAlternativeName([other]), False))
    assert check_device(certificate, ROOT.certificate, NOW).system_title == TITLE


def test_two_common_names():
    names = [x509.NameAttribute(NameOID.COMMON_NAME, text) for text in ("meter", TITLE.hex())]
    assert system_title_of(x509.Name(names), None) == TITLE
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, OTHER))
    with pytest.raises(CertificateError, match="not 2"):
        system_title_of(x509.Name(names), None)
