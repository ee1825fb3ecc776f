"""Key wrap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import SecurityError
from dlms.security.keys import KeyMaterialError, Secret
from dlms.security.suite import SUITES
from dlms.security.wrap import unwrap, wrap
from tests.dlms.security.published import KEY_WRAP

MASTER, KEY, WRAPPED = KEY_WRAP[0]


@pytest.mark.parametrize("number", KEY_WRAP)
def test_published(number):
    master, key, wrapped = KEY_WRAP[number]
    assert wrap(Secret(master), Secret(key), SUITES[number]) == wrapped
    assert unwrap(Secret(master), wrapped, SUITES[number]) == Secret(key)


@given(data=st.data(), number=st.sampled_from(sorted(SUITES)))
def test_round_trip_and_any_flipped_bit(data, number):
    suite = SUITES[number]
    octets = st.binary(min_size=suite.key_length, max_size=suite.key_length)
    master, key = Secret(data.draw(octets)), Secret(data.draw(octets))
    wrapped = bytearray(wrap(master, key, suite))
    assert unwrap(master, bytes(wrapped), suite) == key
    bit = data.draw(st.integers(0, 8 * len(wrapped) - 1))
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecurityError, match="does not fit"):
        unwrap(master, bytes(wrapped), suite)


@pytest.mark.parametrize("wrapped", [b"", WRAPPED[:-1], WRAPPED + b"\0", WRAPPED[:-8], WRAPPED + bytes(16)])
def test_length_is_that_of_the_suite(wrapped):
    with pytest.raises(SecurityError, match="24 octets"):
        unwrap(Secret(MASTER), wrapped, SUITES[0])


def test_wrong_master_key():
    with pytest.raises(SecurityError, match="does not fit the master key"):
        unwrap(Secret(KEY), WRAPPED, SUITES[0])


@pytest.mark.parametrize(
    ("master", "key", "name"), [(15, 16, "master"), (32, 16, "master"), (16, 15, "wrapped"), (16, 32, "wrapped")]
)
def test_keys_have_the_length_of_the_suite(master, key, name):
    with pytest.raises(KeyMaterialError, match=f"the {name} key"):
        wrap(Secret(bytes(master)), Secret(bytes(key)), SUITES[0])


def test_unwrap_checks_the_master_key():
    with pytest.raises(KeyMaterialError, match="the master key has 17"):
        unwrap(Secret(bytes(17)), WRAPPED, SUITES[0])
