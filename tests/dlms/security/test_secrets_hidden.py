"""No repr, no str, no exception and no traceback text of the package shows a secret."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlms.enums import Mechanism
from dlms.errors import DlmsError
from dlms.security import agreement, points, signature
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.hls import EcdsaScheme, GmacScheme, Handshake, Role, SecretScheme, Sha256Scheme
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeySet, Secret
from dlms.security.protection import protect, unprotect
from dlms.security.providers import MemoryKeyProvider
from dlms.security.store import SqliteCounterStore
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecurityControl
from dlms.security.wrap import unwrap, wrap

KEY = bytes.fromhex("C0FFEE00C0FFEE11C0FFEE22C0FFEE33")
AUTH = bytes.fromhex("BADCAB1EBADCAB1EBADCAB1EBADCAB1E")
PRIVATE = bytes.fromhex("0DDBA11CAFE0000102030405060708090A0B0C0D0E0F10111213141516171819")
PASSWORD = b"open-sesame"
SECRETS = (KEY, AUTH, PRIVATE, PASSWORD)
ONE, TWO = b"MMM\0\0\xbcaN", b"MMM\0\0\0\0\x01"
KEYS = KeySet(KEY, AUTH, AUTH, KEY, AUTH)
BOTH = SecurityControl.parse(0x30)
BODY = protect(KEY + AUTH + PASSWORD, BOTH, KEYS, ONE, 1)


def forms(secret: bytes) -> Iterator[str]:
    """The ways in which octets come to be text, and a piece of each: part of a key is too much already."""
    for part in (secret, secret[:6], secret[-6:]):
        yield part.hex()
        yield part.hex(" ")
        yield repr(part)[2:-1]
        yield ", ".join(map(str, part))
        yield str(int.from_bytes(part, "big"))


def assert_hidden(text: str) -> None:
    for secret in SECRETS:
        for form in forms(secret):
            assert form.lower() not in text.lower()


def channel(keys: KeySet = KEYS) -> Channel:
    return Channel(MemoryKeyProvider(keys), Counters(MemoryCounterStore()), ONE, TWO)


def objects() -> list[object]:
    provider = MemoryKeyProvider(KEYS, SUITE_1, signing_key=PRIVATE, agreement_key=PRIVATE)
    device = DeviceKeys(KEYS, SUITE_0, ONE, Secret(PRIVATE), Secret(PRIVATE), Secret(PASSWORD))
    own = points.private_key(Secret(PRIVATE), SUITE_1)
    schemes = [
        GmacScheme(channel()),
        SecretScheme(Mechanism.HLS_MD5, PASSWORD, allow_weak=True),
        Sha256Scheme(Secret(PASSWORD), ONE, TWO),
        EcdsaScheme(provider.sign, lambda *_: None, ONE, TWO),
    ]
    return [
        Secret(KEY),
        KEYS,
        KEYS.prepared,
        provider,
        channel(),
        device,
        KeyFile({"a": device}),
        KeyFile({"a": device}).devices,
        unprotect(BODY, KEYS, ONE),
        own,
        points.private_secret(own, SUITE_1),
        agreement.derive(Secret(KEY), SUITE_1, ONE, TWO),
        *schemes,
        *(Handshake(scheme.mechanism, Role.CLIENT) for scheme in schemes),
    ]


@pytest.mark.parametrize("shown", objects(), ids=lambda shown: type(shown).__name__)
def test_objects_do_not_show_secrets(shown):
    assert_hidden(f"{shown!r} {shown} {[shown]} {(shown,)!r}")


def flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes([octets[-1] ^ 1])


def sha_check() -> None:
    Sha256Scheme(Secret(PASSWORD), ONE, TWO).check(PASSWORD, bytes(8), bytes(9))


def md5_check() -> None:
    SecretScheme(Mechanism.HLS_MD5, PASSWORD, allow_weak=True).check(PASSWORD, bytes(8), bytes(9))


FAULTS: dict[str, Callable[[], object]] = {
    "wrong tag": lambda: unprotect(flipped(BODY), KEYS, ONE),
    "wrong title": lambda: unprotect(BODY, KEYS, TWO),
    "short": lambda: unprotect(BODY[:10], KEYS, ONE),
    "wrong suite": lambda: unprotect(b"\x32" + BODY[1:], KEYS, ONE),
    "short key": lambda: protect(b"", BOTH, KeySet(KEY[:-1], authentication=AUTH), ONE, 1),
    "short authentication key": lambda: protect(b"", BOTH, KeySet(KEY, authentication=AUTH[:-1]), ONE, 1),
    "no key": lambda: protect(b"", BOTH, KeySet(authentication=AUTH), ONE, 1),
    "cipher": lambda: Secret(KEY[:-1]).aead,
    "hex": lambda: Secret.from_hex(KEY.hex() + "g"),
    "octets": lambda: Secret(KEY.hex()),
    "wrap": lambda: wrap(Secret(KEY), Secret(AUTH[:-1]), SUITE_0),
    "unwrap": lambda: unwrap(Secret(KEY), flipped(wrap(Secret(KEY), Secret(AUTH), SUITE_0)), SUITE_0),
    "weaker": lambda: channel().unprotect(b"\x20" + BODY[1:], BOTH),
    "private key range": lambda: points.private_key(Secret(b"\xff" * 32), SUITE_1),
    "private key suite": lambda: points.private_key(Secret(PRIVATE), SUITE_2),
    "agreement": lambda: MemoryKeyProvider(KEYS, SUITE_1, agreement_key=PRIVATE).agree(PRIVATE * 2, ONE, TWO),
    "signature": lambda: signature.sign(points.private_key(Secret(PRIVATE), SUITE_1), SUITE_2, KEY),
    "digest": md5_check,
    "sha256": sha_check,
    "ecb": lambda: SecretScheme(Mechanism.HLS, PASSWORD * 2, allow_weak=True).prove(bytes(8), bytes(8)),
    "key file": lambda: KeyFile.parse('{"devices": {"a": {"encryption": "' + KEY.hex() + "}"),
    "key file value": lambda: KeyFile.parse(
        '{"format": "dlms-meters keys", "version": 1, "devices": {"a": {"encryption": "' + KEY.hex() + 'zz"}}}'
    ),
    "key file length": lambda: KeyFile.parse(
        '{"format": "dlms-meters keys", "version": 1, "devices": {"a": {"encryption": "' + KEY.hex() + '00"}}}'
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_do_not_show_secrets(fault, caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(DlmsError) as refusal:
        FAULTS[fault]()
    error: BaseException | None = refusal.value
    while error is not None:
        assert_hidden(f"{error} {error!r} {error.args} {vars(error)}")
        error = error.__cause__ or error.__context__
    # the text of a traceback quotes the source of the test, which holds no value in any of these forms
    assert_hidden("".join(traceback.format_exception(refusal.value)))
    assert caplog.text == ""


def test_stores_do_not_hold_keys(tmp_path: Path):
    with SqliteCounterStore.create(tmp_path / "counters") as store:
        one = Channel(MemoryKeyProvider(KEYS), Counters(store), ONE, TWO)
        two = Channel(MemoryKeyProvider(KEYS), Counters(store), TWO, ONE)
        two.unprotect(one.protect(b"text", BOTH), BOTH)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert content
        assert_hidden(content.decode("latin-1") + content.hex() + repr(content))


@pytest.mark.parametrize("text", [KEY.hex(), f"key {KEY.hex(' ')}", repr(KEY), f"{list(KEY)}", PASSWORD.decode()])
def test_the_check_itself_finds_secrets(text):
    with pytest.raises(AssertionError):
        assert_hidden(text)
