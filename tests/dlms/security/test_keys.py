"""Secrets do not show themselves; key sets refuse keys that do not fit."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.suite import SUITE_0, SUITE_2

VALUE = bytes.fromhex("C0FFEE00C0FFEE11C0FFEE22C0FFEE33")


def shown(secret: object) -> str:
    return " ".join((repr(secret), str(secret), f"{secret}", f"{secret!s:>60}", "%s %r" % (secret, secret)))  # noqa: UP031


def assert_hidden(text: str, value: bytes = VALUE) -> None:
    for form in (value.hex(), value.hex(" "), repr(value)[2:-1], str(list(value))):
        assert form.lower() not in text.lower()


def test_nothing_shows_the_value():
    secret = Secret(VALUE)
    assert_hidden(shown(secret))
    assert_hidden(shown(KeySet(VALUE, VALUE, VALUE, VALUE, VALUE)))
    assert_hidden(str(vars(secret)))
    _ = secret.aead
    assert_hidden(str(vars(secret)))
    assert_hidden(str(dataclasses.asdict(KeySet(VALUE))))
    assert shown(secret).count("<Secret of 16 octets>") == 6


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_is_refused(protocol):
    for holder in (Secret(VALUE), KeySet(VALUE)):
        with pytest.raises(KeyMaterialError, match="pickled"):
            pickle.dumps(holder, protocol)


def test_copies_are_the_object():
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
    assert Secret(secret).reveal() == VALUE


def test_equality_exists_between_secrets_only():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE[:-1] + b"\0")
    assert Secret(VALUE) != Secret(VALUE[:-1])
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE) != VALUE
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(VALUE))


def test_equality_takes_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or False)
    assert Secret(VALUE) != Secret(VALUE)
    assert compared == [(VALUE, VALUE)]


@given(st.binary(max_size=40))
def test_round_trip(value):
    for source in (value, bytearray(value), memoryview(value)):
        assert Secret(source).reveal() == value
    assert Secret.from_hex(value.hex(" ")).reveal() == value
    assert len(Secret(value)) == len(value)
    assert bool(Secret(value)) is bool(value)


@pytest.mark.parametrize("text", ["C0FFEE0", "C0FFEEXX", "café", 12, None, VALUE])
def test_bad_hex_is_not_repeated(text):
    with pytest.raises(KeyMaterialError) as refusal:
        Secret.from_hex(text)
    assert "FFEE" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("value", ["C0FFEE", 16, None, [1, 2]])
def test_a_secret_is_made_of_octets(value):
    with pytest.raises(KeyMaterialError) as refusal:
        Secret(value)
    assert "C0FFEE" not in str(refusal.value)


def test_a_key_fault_is_yours_and_a_security_error():
    assert issubclass(KeyMaterialError, LocalProtocolError)
    assert issubclass(KeyMaterialError, SecurityError)


def test_fingerprints_name_and_tell_nothing():
    a, b = Secret(VALUE), Secret(VALUE[::-1])
    assert a.fingerprint() == Secret(VALUE).fingerprint()
    assert len({a.fingerprint(), b.fingerprint(), a.fingerprint(b"x"), b.fingerprint(b"x")}) == 4
    assert len(a.fingerprint(b"x")) == 16
    assert_hidden(a.fingerprint().hex())


def test_fingerprints_stay_what_they_were():
    """Stores keep them: another value would orphan every counter."""
    assert Secret(bytes(16)).fingerprint(b"invocation counter").hex() == "7d34a4da553269edbe3d5f90154f5a60"
    assert Secret(bytes(16)).fingerprint() == Secret(bytes(16)).fingerprint(b"")


@pytest.mark.parametrize("length", [0, 15, 17, 24, 31, 33])
def test_only_keys_of_the_suites_make_a_cipher(length):
    with pytest.raises(KeyMaterialError, match=f"not {length}"):
        _ = Secret(bytes(length)).aead


def test_key_set_takes_octets_and_secrets():
    keys = KeySet(VALUE, authentication=Secret(VALUE[::-1]))
    assert keys.encryption == Secret(VALUE)
    assert keys.authentication == Secret(VALUE[::-1])
    assert (keys.broadcast, keys.master, keys.dedicated) == (None, None, None)
    assert keys == KeySet(VALUE, authentication=VALUE[::-1])
    assert keys != KeySet(VALUE)


def test_a_secret_is_kept_as_it_is():
    secret = Secret(VALUE)
    assert KeySet(secret).encryption is secret


def test_what_was_worked_out_is_no_part_of_a_key_set():
    used = KeySet(VALUE)
    used.prepared[0x30, False] = "prepared for use"
    assert used == KeySet(VALUE)
    assert "prepared" not in repr(used)
    assert used.replace(master=VALUE).prepared == {}


def test_replace_keeps_the_rest():
    keys = KeySet(VALUE, b"b" * 16, b"a" * 16, b"m" * 16).replace(dedicated=b"d" * 16, master=None)
    assert keys == KeySet(VALUE, b"b" * 16, b"a" * 16, None, b"d" * 16)


def test_get_checks_presence_and_length():
    keys = KeySet(VALUE, dedicated=VALUE[:15])
    assert keys.get("encryption", SUITE_0) is keys.encryption
    with pytest.raises(KeyMaterialError, match="no master key"):
        keys.get("master", SUITE_0)
    with pytest.raises(KeyMaterialError, match="dedicated key has 15 octets; security suite 0 wants 16"):
        keys.get("dedicated", SUITE_0)
    with pytest.raises(KeyMaterialError, match="encryption key has 16 octets; security suite 2 wants 32"):
        keys.get("encryption", SUITE_2)


def test_key_sets_are_fixed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        KeySet(VALUE).encryption = None
