"""Suites and the security control octet."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from dlms.errors import SecurityError
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SUITES, SecurityControl, suite


def test_suites_are_those_of_the_book():
    rows = [
        (s.id, s.key_length, s.hash_name, s.curve_name, s.public_key_length, s.signature_length, s.tag_length)
        for s in SUITES.values()
    ]
    assert rows == [
        (0, 16, None, None, 0, 0, 12),
        (1, 16, "sha256", "secp256r1", 64, 64, 12),
        (2, 32, "sha384", "secp384r1", 96, 96, 12),
    ]
    assert (SUITE_0.cipher, SUITE_2.cipher) == ("AES-GCM-128", "AES-GCM-256")
    assert (SUITE_1.wrap, SUITE_2.wrap) == ("AES-128-key-wrap", "AES-256-key-wrap")
    assert suite(1) is SUITE_1


@pytest.mark.parametrize("number", [-1, 3, 15])
def test_undefined_suite_is_refused(number):
    with pytest.raises(SecurityError, match=f"suite {number} is not defined"):
        suite(number)


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_survives_a_round_trip(octet):
    control = SecurityControl.parse(octet)
    assert control.octet == octet
    assert control.format() == bytes([octet])
    assert SecurityControl.parse(octet) is control
    assert control == dataclasses.replace(control)


@pytest.mark.parametrize(
    ("octet", "fields"),
    [
        (0x10, (0, True, False, False, False)),
        (0x21, (1, False, True, False, False)),
        (0x42, (2, False, False, True, False)),
        (0x8F, (15, False, False, False, True)),
    ],
)
def test_each_bit_has_its_field(octet, fields):
    assert dataclasses.astuple(SecurityControl.parse(octet)) == fields


def test_nothing_is_set_by_default():
    assert SecurityControl().octet == 0


@pytest.mark.parametrize("octet", [-1, 256])
def test_no_octet_no_control(octet):
    with pytest.raises(SecurityError, match="one octet"):
        SecurityControl.parse(octet)


@pytest.mark.parametrize("number", [-1, 16])
def test_suite_number_has_four_bits(number):
    with pytest.raises(SecurityError, match="four bits"):
        SecurityControl(number)


def test_parameters_need_a_defined_suite():
    assert SecurityControl(2).parameters is SUITE_2
    with pytest.raises(SecurityError, match="15"):
        _ = SecurityControl(15).parameters


@pytest.mark.parametrize(
    ("have", "required", "covered"),
    [
        (0x30, 0x30, True),
        (0x30, 0x10, True),
        (0x30, 0x20, True),
        (0x30, 0x00, True),
        (0x10, 0x30, False),
        (0x20, 0x30, False),
        (0x10, 0x20, False),
        (0x20, 0x10, False),
        (0x31, 0x30, False),
        (0x30, 0x31, False),
        (0x70, 0x30, False),
        (0x30, 0x70, False),
        (0xB0, 0x30, True),
    ],
)
def test_covers(have, required, covered):
    assert SecurityControl.parse(have).covers(SecurityControl.parse(required)) is covered


def test_plain_protection_loads_no_public_key_code():
    code = (
        "import sys, dlms.security.protection, dlms.security.channel, dlms.security.hls;"
        "print([m for m in sys.modules if m.startswith(('cryptography.x509', 'cryptography.hazmat.primitives.asym'))"
        " or m == 'sqlite3'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
