"""Protection on and off: the published examples, everything that must be refused, and the two paths held equal."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import gcm
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.protection import MAX_INVOCATION_COUNTER, Unprotected, opening, protect, unprotect
from dlms.security.suite import SecurityControl
from tests.dlms.security.published import (
    ACCESS_START,
    AUTHENTICATION,
    C2_CIPHERTEXT_START,
    C2_KEY,
    C3_CIPHERTEXT_START,
    C3_KEY,
    COUNTER,
    ENCRYPTION,
    GET_CLOCK_TIME,
    KEYS,
    PROTECTED,
    SERVER_TITLE,
)

BOTH = SecurityControl(authenticated=True, encrypted=True)
AUTH_ONLY = SecurityControl(authenticated=True)
ENCRYPTED_ONLY = SecurityControl(encrypted=True)
HEADER = bytes.fromhex("080102030405060708084D4D4D0000BC614E084D4D4D00000000010000")
BODY = PROTECTED["table-40-both"][2]
FULL_SET = {
    0: KeySet(b"e" * 16, b"b" * 16, b"a" * 16, b"m" * 16, b"d" * 16),
    1: KeySet(b"e" * 16, b"b" * 16, b"a" * 16, b"m" * 16, b"d" * 16),
    2: KeySet(b"e" * 32, b"b" * 32, b"a" * 32, b"m" * 32, b"d" * 32),
}


@pytest.mark.parametrize("name", PROTECTED)
def test_published(name):
    plaintext, octet, body = PROTECTED[name]
    control = SecurityControl.parse(octet)
    assert protect(plaintext, control, KEYS, SERVER_TITLE, COUNTER) == body
    found = unprotect(body, KEYS, SERVER_TITLE, verify=control.authenticated)
    assert found == Unprotected(plaintext, control, COUNTER, control.authenticated)


@pytest.mark.parametrize(("key", "ciphertext"), [(C2_KEY, C2_CIPHERTEXT_START), (C3_KEY, C3_CIPHERTEXT_START)])
def test_published_ciphertext_under_an_agreed_key(key, ciphertext):
    keys = KeySet(key, authentication=AUTHENTICATION)
    body = protect(ACCESS_START, SecurityControl.parse(0x31), keys, SERVER_TITLE, 0, HEADER)
    assert body[:5] == b"\x31\0\0\0\0"
    assert body[5:-12] == ciphertext


def test_associated_data_is_what_the_book_says():
    """Each rule for the additional authenticated data, against the plain path."""
    nonce = SERVER_TITLE + COUNTER.to_bytes(4, "big")
    key = Secret(ENCRYPTION)
    both = gcm.seal_plain(key, nonce, GET_CLOCK_TIME, b"\x30" + AUTHENTICATION + HEADER)
    only = gcm.seal_plain(key, nonce, b"", b"\x10" + AUTHENTICATION + HEADER + GET_CLOCK_TIME)
    assert protect(GET_CLOCK_TIME, BOTH, KEYS, SERVER_TITLE, COUNTER, HEADER)[5:] == both
    assert protect(GET_CLOCK_TIME, AUTH_ONLY, KEYS, SERVER_TITLE, COUNTER, HEADER)[5:] == GET_CLOCK_TIME + only
    # without authentication nothing is associated, so that a header changes nothing
    encrypted = protect(GET_CLOCK_TIME, ENCRYPTED_ONLY, KEYS, SERVER_TITLE, COUNTER)
    assert protect(GET_CLOCK_TIME, ENCRYPTED_ONLY, KEYS, SERVER_TITLE, COUNTER, HEADER) == encrypted


def controls() -> st.SearchStrategy[SecurityControl]:
    return st.builds(
        lambda suite, protection, broadcast: SecurityControl.parse(suite | protection | broadcast),
        st.sampled_from([0, 1, 2]),
        st.sampled_from([0x10, 0x20, 0x30]),
        st.sampled_from([0x00, 0x40]),
    )


@given(
    plaintext=st.binary(max_size=300),
    control=controls(),
    title=st.binary(min_size=8, max_size=8),
    counter=st.integers(0, MAX_INVOCATION_COUNTER),
    header=st.just(b"") | st.binary(max_size=60),
    dedicated=st.booleans(),
)
def test_round_trip(plaintext, control, title, counter, header, dedicated):
    if control.broadcast_key:
        header, dedicated = b"", False
    keys = FULL_SET[control.suite]
    body = protect(plaintext, control, keys, title, counter, header, dedicated=dedicated)
    assert opening(body) == (control, counter)
    assert len(body) == 5 + len(plaintext) + 12 * control.authenticated
    found = unprotect(body, keys, title, header, verify=control.authenticated, dedicated=dedicated)
    assert found == (plaintext, control, counter, control.authenticated)


@given(
    key=st.sampled_from([b"k" * 16, b"K" * 32]) | st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=12, max_size=12),
    plaintext=st.binary(max_size=400) | st.integers(gcm.PLAIN_FROM - 2, gcm.PLAIN_FROM + 2).map(bytes),
    associated=st.binary(max_size=80),
)
def test_fast_is_plain(key, nonce, plaintext, associated):
    secret = Secret(key)
    sealed = gcm.seal(secret, nonce, plaintext, associated)
    assert sealed == gcm.seal_plain(secret, nonce, plaintext, associated)
    ciphertext, tag = sealed[:-12], sealed[-12:]
    for opened in (gcm.open_sealed, gcm.open_plain):
        assert opened(secret, nonce, ciphertext, tag, associated) == plaintext
        assert opened(secret, nonce, ciphertext, bytes([tag[0] ^ 1]) + tag[1:], associated) is None
        assert opened(secret, nonce, ciphertext, tag, associated + b"\0") is None
        assert opened(secret, nonce, ciphertext, tag[:-1], associated) is None
    assert gcm.keystream(secret, nonce, plaintext) == ciphertext
    assert gcm.keystream(secret, nonce, ciphertext) == plaintext
    assert gcm.mac(secret, nonce, associated) == gcm.seal_plain(secret, nonce, b"", associated)


@pytest.mark.parametrize("name", ["table-40-both", "table-40-authenticated", "initiate-request"])
def test_every_single_flipped_bit_is_refused(name):
    body = PROTECTED[name][2]
    for bit in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SecurityError):
            unprotect(bytes(flipped), KEYS, SERVER_TITLE)


@given(data=st.data(), control=controls(), plaintext=st.binary(max_size=80), header=st.binary(max_size=30))
def test_any_flipped_bit_is_refused(data, control, plaintext, header):
    control = dataclasses.replace(control, authenticated=True)
    header = b"" if control.broadcast_key else header
    keys = FULL_SET[control.suite]
    whole = bytearray(protect(plaintext, control, keys, SERVER_TITLE, 7, header) + header + SERVER_TITLE)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    title, rest = bytes(whole[-8:]), bytes(whole[:-8])
    body, header = rest[: len(rest) - len(header)], rest[len(rest) - len(header) :]
    with pytest.raises(SecurityError):
        unprotect(body, keys, title, header)


@given(octets=st.binary(max_size=60), verify=st.booleans(), dedicated=st.booleans(), header=st.binary(max_size=4))
def test_noise_gives_our_errors_only(octets, verify, dedicated, header):
    try:
        found = unprotect(octets, FULL_SET[0], SERVER_TITLE, header, verify=verify, dedicated=dedicated)
    except SecurityError:
        return
    assert not found.verified
    assert not verify


@dataclasses.dataclass(frozen=True)
class Case:
    """One vector in Wycheproof's manner: what is given, what must come of it, and why."""

    comment: str
    valid: bool
    reason: str = ""
    body: bytes = BODY
    keys: KeySet = KEYS
    title: bytes = SERVER_TITLE
    header: bytes = b""
    verify: bool = True
    dedicated: bool = False


def made(control: SecurityControl, keys: KeySet = KEYS, header: bytes = b"", dedicated: bool = False) -> bytes:
    return protect(GET_CLOCK_TIME, control, keys, SERVER_TITLE, COUNTER, header, dedicated=dedicated)


DEDICATED = KEYS.replace(dedicated=bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
BROADCAST = KEYS.replace(broadcast=b"b" * 16)
AS_BROADCAST = b"\x70" + BODY[1:]
FROM_BROADCAST = b"\x30" + made(SecurityControl.parse(0x70), BROADCAST)[1:]
CASES = [
    Case("table 40", True),
    Case("table 40, authenticated only", True, body=PROTECTED["table-40-authenticated"][2]),
    Case("header of general-ciphering", True, body=made(BOTH, header=HEADER), header=HEADER),
    Case("dedicated key", True, body=made(BOTH, DEDICATED, dedicated=True), keys=DEDICATED, dedicated=True),
    Case("broadcast key", True, body=made(SecurityControl.parse(0x70), BROADCAST), keys=BROADCAST),
    Case("empty content", True, body=protect(b"", BOTH, KEYS, SERVER_TITLE, 1)),
    Case("a tag that fits is verified unasked", True, verify=False),
    Case("nothing at all", False, "at least 5 octets, this one 0", b""),
    Case("four octets", False, "at least 5 octets, this one 4", BODY[:4]),
    Case("no room for a tag", False, "tag is cut short", BODY[:16]),
    Case("tag one octet short", False, "does not fit", BODY[:-1]),
    Case("one octet too many", False, "does not fit", BODY + b"\0"),
    Case("first tag octet wrong", False, "does not fit", BODY[:-12] + b"\0" + BODY[-11:]),
    Case("tag of zeros", False, "does not fit", BODY[:-12] + bytes(12)),
    Case("a wrong tag is refused unasked too", False, "does not fit", BODY[:-1] + b"\0", verify=False),
    Case("wrong title", False, "does not fit", title=SERVER_TITLE[::-1]),
    Case("title of 7 octets", False, "8 octets, this one 7", title=SERVER_TITLE[:7]),
    Case("title of 9 octets", False, "8 octets, this one 9", title=SERVER_TITLE + b"\0"),
    Case("empty title", False, "8 octets, this one 0", title=b""),
    Case("other counter", False, "does not fit", BODY[:1] + b"\x01\x23\x45\x68" + BODY[5:]),
    Case("suite nibble 1", False, "does not fit", b"\x31" + BODY[1:]),
    Case("suite nibble 2", False, "security suite 2 wants 32", b"\x32" + BODY[1:]),
    Case("suite nibble 15", False, "suite 15 is not defined", b"\x3f" + BODY[1:]),
    Case("authentication bit cleared", False, "encrypted only", b"\x20" + BODY[1:]),
    Case("encryption bit cleared", False, "does not fit", b"\x10" + BODY[1:]),
    Case("both bits cleared", False, "asks for no protection", b"\x00" + BODY[1:]),
    Case("no protection, not even unverified", False, "asks for no protection", b"\x00" + BODY[1:], verify=False),
    Case("broadcast bit, no broadcast key", False, "no broadcast key", b"\x70" + BODY[1:]),
    Case("broadcast bit, another key", False, "does not fit", b"\x70" + BODY[1:], BROADCAST),
    Case(
        "broadcast message as unicast",
        False,
        "does not fit",
        b"\x30" + made(SecurityControl.parse(0x70), BROADCAST)[1:],
    ),
    Case("broadcast bit in general-ciphering", False, "broadcast key set", AS_BROADCAST, BROADCAST, header=HEADER),
    Case("broadcast bit under dedicated key", False, "broadcast key set", AS_BROADCAST, DEDICATED, dedicated=True),
    Case("dedicated message as global", False, "does not fit", made(BOTH, DEDICATED, dedicated=True)),
    Case("global message as dedicated", False, "does not fit", keys=DEDICATED, dedicated=True),
    Case("no dedicated key", False, "no dedicated key", dedicated=True),
    Case("compressed", False, "no codec", b"\xb0" + BODY[1:]),
    Case("header added", False, "does not fit", header=HEADER),
    Case("header lost", False, "does not fit", made(BOTH, header=HEADER)),
    Case("header altered", False, "does not fit", made(BOTH, header=HEADER), header=HEADER[:-1] + b"\1"),
    Case("other encryption key", False, "does not fit", keys=KEYS.replace(encryption=b"x" * 16)),
    Case("other authentication key", False, "does not fit", keys=KEYS.replace(authentication=b"x" * 16)),
    Case("no encryption key", False, "no encryption key", keys=KeySet(authentication=AUTHENTICATION)),
    Case("no authentication key", False, "no authentication key", keys=KeySet(ENCRYPTION)),
    Case("encryption key of 15", False, "15 octets", keys=KeySet(ENCRYPTION[1:], authentication=AUTHENTICATION)),
    Case("encryption key of 32", False, "32 octets", keys=KeySet(ENCRYPTION * 2, authentication=AUTHENTICATION)),
    Case("authentication key of 15", False, "15 octets", keys=KeySet(ENCRYPTION, authentication=AUTHENTICATION[1:])),
    Case("encrypted only", False, "encrypted only", PROTECTED["table-40-encrypted"][2]),
    Case("encrypted only cannot be verified", True, body=PROTECTED["table-40-encrypted"][2], verify=False),
    Case("no authentication key, unverified", True, keys=KeySet(ENCRYPTION), verify=False),
    Case(
        "no authentication key, in clear",
        True,
        body=PROTECTED["table-40-authenticated"][2],
        keys=KeySet(ENCRYPTION),
        verify=False,
    ),
    Case("no authentication key, tag cut", False, "cut short", BODY[:16], KeySet(ENCRYPTION), verify=False),
]
WITHOUT_PROOF = {
    "encrypted only cannot be verified",
    "no authentication key, unverified",
    "no authentication key, in clear",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.comment)
def test_case(case):
    def run() -> Unprotected:
        return unprotect(case.body, case.keys, case.title, case.header, verify=case.verify, dedicated=case.dedicated)

    if case.valid:
        found = run()
        assert found.plaintext == (b"" if case.comment == "empty content" else GET_CLOCK_TIME)
        assert found.verified is (case.comment not in WITHOUT_PROOF)
    else:
        with pytest.raises(SecurityError, match=case.reason):
            run()


@pytest.mark.parametrize(
    ("control", "keys", "kind", "reason"),
    [
        (SecurityControl(), KEYS, LocalProtocolError, "asks for no protection"),
        (SecurityControl.parse(0x33), KEYS, LocalProtocolError, "suite 3 is not defined"),
        (SecurityControl.parse(0xB0), KEYS, LocalProtocolError, "no codec"),
        (SecurityControl.parse(0x32), KEYS, KeyMaterialError, "wants 32"),
        (BOTH, KeySet(ENCRYPTION), KeyMaterialError, "no authentication key"),
        (AUTH_ONLY, KeySet(ENCRYPTION), KeyMaterialError, "no authentication key"),
        (BOTH, KeySet(authentication=AUTHENTICATION), KeyMaterialError, "no encryption key"),
        (BOTH, KeySet(ENCRYPTION, authentication=b"a" * 32), KeyMaterialError, "authentication key has 32"),
    ],
)
def test_what_cannot_be_sent_is_yours(control, keys, kind, reason):
    with pytest.raises(kind, match=reason) as refusal:
        protect(GET_CLOCK_TIME, control, keys, SERVER_TITLE, COUNTER)
    assert isinstance(refusal.value, LocalProtocolError)


@pytest.mark.parametrize("counter", [0, 1, 0xFFFFFFFF])
def test_every_counter_of_32_bits_can_be_written(counter):
    body = protect(b"", BOTH, KEYS, SERVER_TITLE, counter)
    assert unprotect(body, KEYS, SERVER_TITLE).invocation_counter == counter


@pytest.mark.parametrize("counter", [-1, 0x100000000])
def test_counter_has_32_bits(counter):
    with pytest.raises(LocalProtocolError, match="32 bits"):
        protect(b"", BOTH, KEYS, SERVER_TITLE, counter)


@pytest.mark.parametrize("title", [b"", b"1234567", b"123456789"])
def test_own_title_has_8_octets(title):
    with pytest.raises(LocalProtocolError, match="8 octets"):
        protect(b"", BOTH, KEYS, title, 1)


def test_broadcast_key_set_is_not_for_general_ciphering():
    with pytest.raises(LocalProtocolError, match="general-ciphering"):
        protect(b"", SecurityControl.parse(0x70), BROADCAST, SERVER_TITLE, 1, HEADER)
    with pytest.raises(LocalProtocolError, match="dedicated"):
        protect(b"", SecurityControl.parse(0x70), BROADCAST, SERVER_TITLE, 1, dedicated=True)


def test_each_key_is_used_for_what_it_is():
    ways = {
        "encryption": made(BOTH, FULL_SET[0]),
        "broadcast": made(SecurityControl.parse(0x70), FULL_SET[0]),
        "dedicated": made(BOTH, FULL_SET[0], dedicated=True),
    }
    for name, body in ways.items():
        key = getattr(FULL_SET[0], name)
        nonce = SERVER_TITLE + COUNTER.to_bytes(4, "big")
        assert body[5:] == gcm.seal_plain(key, nonce, GET_CLOCK_TIME, body[:1] + b"a" * 16)


def test_suites_differ_only_where_they_should():
    """Suite 1 ciphers as suite 0 does; the control octet alone makes another tag."""
    zero, one = made(BOTH), made(SecurityControl.parse(0x31))
    assert zero[5:-12] == one[5:-12]
    assert zero[-12:] != one[-12:]


class Zip:
    """A stand-in for V.44."""

    compress = staticmethod(zlib.compress)
    decompress = staticmethod(zlib.decompress)


@pytest.mark.parametrize("octet", [0x91, 0xA1, 0xB1])
def test_compression_comes_before_protection(octet):
    control, plaintext = SecurityControl.parse(octet), GET_CLOCK_TIME * 9
    body = protect(plaintext, control, KEYS, SERVER_TITLE, 3, compression=Zip)
    squeezed = protect(zlib.compress(plaintext), control, KEYS, SERVER_TITLE, 3, compression=Identity())
    assert body == squeezed
    found = unprotect(body, KEYS, SERVER_TITLE, verify=control.authenticated, compression=Zip)
    assert found == (plaintext, control, 3, control.authenticated)


class Identity:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def compress(self, data: bytes) -> bytes:
        return data

    def decompress(self, data: bytes) -> bytes:
        self.seen.append(data)
        return data


def test_nothing_unverified_reaches_the_codec():
    codec = Identity()
    body = bytearray(protect(b"x" * 20, SecurityControl.parse(0xB1), KEYS, SERVER_TITLE, 3, compression=codec))
    body[-1] ^= 1
    with pytest.raises(SecurityError):
        unprotect(bytes(body), KEYS, SERVER_TITLE, compression=codec)
    assert codec.seen == []


def test_a_codec_does_not_touch_what_is_not_compressed():
    assert unprotect(BODY, KEYS, SERVER_TITLE, compression=Zip).plaintext == GET_CLOCK_TIME
    assert protect(GET_CLOCK_TIME, BOTH, KEYS, SERVER_TITLE, COUNTER, compression=Zip) == BODY


@pytest.mark.parametrize("name", ["table-40-both", "table-40-authenticated"])
def test_tags_are_compared_in_constant_time(monkeypatch, name):
    compared: list[tuple[bytes, bytes]] = []

    def refuse(expected: bytes, given: bytes) -> bool:
        compared.append((expected, given))
        return False

    monkeypatch.setattr("hmac.compare_digest", refuse)
    body = PROTECTED[name][2]
    with pytest.raises(SecurityError, match="does not fit"):
        unprotect(body, KEYS, SERVER_TITLE)
    assert compared == [(body[-12:], body[-12:])]


def test_long_messages_take_the_plain_path(monkeypatch):
    taken: list[int] = []
    plain = gcm.open_plain

    def watched(key: Secret, nonce: bytes, ciphertext: bytes, *rest: bytes) -> bytes | None:
        taken.append(len(ciphertext))
        return plain(key, nonce, ciphertext, *rest)

    monkeypatch.setattr(gcm, "open_plain", watched)
    for size in (gcm.PLAIN_FROM - 1, gcm.PLAIN_FROM):
        body = protect(bytes(size), BOTH, KEYS, SERVER_TITLE, 1)
        assert unprotect(body, KEYS, SERVER_TITLE).plaintext == bytes(size)
        with pytest.raises(SecurityError):
            unprotect(body[:-1] + bytes([body[-1] ^ 1]), KEYS, SERVER_TITLE)
    assert taken == [gcm.PLAIN_FROM, gcm.PLAIN_FROM]


@pytest.mark.parametrize("octet", [0x10, 0x30])
@pytest.mark.parametrize(
    "size", [gcm.VIEW_FROM - 18, gcm.VIEW_FROM - 17, gcm.VIEW_FROM - 16, gcm.PLAIN_FROM - 1, gcm.PLAIN_FROM]
)
def test_long_messages_are_taken_as_short_ones_are(octet, size):
    """`size` is that of the whole message: where a copy becomes a view, and one path the other."""
    plaintext = bytes(range(256)) * (size // 256 + 1)
    plaintext = plaintext[: size - 17]
    body = protect(plaintext, SecurityControl.parse(octet), KEYS, SERVER_TITLE, 1)
    found = unprotect(body, KEYS, SERVER_TITLE)
    assert (type(found.plaintext), found.plaintext) == (bytes, plaintext)
    for place in (4, 5, size // 2, -13, -12, -1):
        spoilt = bytearray(body)
        spoilt[place] ^= 1
        with pytest.raises(SecurityError, match="does not fit"):
            unprotect(bytes(spoilt), KEYS, SERVER_TITLE)


def test_what_is_kept_with_a_key_set_is_not_shown():
    keys = KeySet(ENCRYPTION, authentication=AUTHENTICATION)
    made(BOTH, keys)
    assert len(keys.prepared) == 1
    for text in (repr(keys), repr(keys.prepared), str(dataclasses.asdict(keys))):
        assert AUTHENTICATION.hex() not in text
        assert repr(AUTHENTICATION)[2:-1] not in text


def test_keys_are_checked_once(monkeypatch):
    keys, calls = KeySet(ENCRYPTION, authentication=AUTHENTICATION), []
    get = KeySet.get
    monkeypatch.setattr(KeySet, "get", lambda *given: calls.append(given[1]) or get(*given))
    for _ in range(3):
        unprotect(made(BOTH, keys), keys, SERVER_TITLE)
    assert calls == ["encryption", "authentication"]


def test_encryption_alone_does_not_look_at_the_authentication_key():
    keys = KeySet(ENCRYPTION, authentication=AUTHENTICATION[1:])
    assert made(ENCRYPTED_ONLY, keys) == PROTECTED["table-40-encrypted"][2]


def test_a_refused_control_is_not_remembered():
    keys = KeySet(ENCRYPTION)
    for _ in range(2):
        with pytest.raises(SecurityError):
            unprotect(b"\x7f" + BODY[1:], keys, SERVER_TITLE)
    assert keys.prepared == {}


def test_repr_of_a_message_hides_its_content():
    found = unprotect(PROTECTED["initiate-request"][2], KEYS, SERVER_TITLE)
    assert "00112233" in found.plaintext.hex()
    assert "\\x11\\x22" not in repr(found)
    assert '\\x11"3' not in repr(found)
    assert "31 octets" in repr(found)
    assert "verified=True" in repr(found)


@pytest.mark.parametrize("wrapped", [bytearray, memoryview])
def test_other_octets_than_bytes(wrapped: Callable[[bytes], bytes]):
    assert bytes(protect(wrapped(GET_CLOCK_TIME), BOTH, KEYS, SERVER_TITLE, COUNTER)) == BODY
