"""What names a certificate in a device, and what a list of certificates says."""

from __future__ import annotations

import pytest

from dlms.errors import LocalProtocolError
from dlms.security.identification import ByEntity, BySerial, CertificateInfo, Entity, common_name, identification
from dlms.values import Enum


def test_identifications():
    by_entity = ByEntity(Entity.CLIENT, 1, b"CLI00001")
    assert identification(by_entity.value()) == by_entity
    for serial in (1, 0x80, 0x020105, (1 << 159) - 1):
        assert identification(BySerial(serial, b"name").value()) == BySerial(serial, b"name")
    as_der = identification((Enum(1), (bytes.fromhex("02020080"), b"name")))
    assert isinstance(as_der, BySerial)
    assert as_der.serials == (0x02020080, 0x80)
    # another tag, another length, and nothing inside: numbers that are no DER
    for serial in (0x03020080, 0x02030080, 0x02010080, 0x0200, 0x02, 0x80):
        assert BySerial(serial, b"name").serials == (serial,)


def test_what_lists_no_certificate_is_refused():
    for value in (None, (), (1, 2, b"", b"", b""), (1, 2, 3, b"", b"", b"")):
        with pytest.raises(LocalProtocolError, match="lists no certificate"):
            CertificateInfo.parse(value)


def test_the_common_name_of_what_has_none_is_its_octets():
    assert common_name(bytes.fromhex("0603550403") + b"\x0c\x03abc") == "abc"
    assert common_name(b"") == ""
    assert common_name(bytes.fromhex("300501")) == "300501"
    assert common_name(bytes.fromhex("0603550403")) == "0603550403"  # cut where the name would begin


@pytest.mark.parametrize(
    "value",
    [
        None,
        (Enum(0),),
        (Enum(2), (Enum(0), Enum(0), b"")),
        (Enum(0), (Enum(4), Enum(0), b"")),
        (Enum(1), (b"", b"")),
        (Enum(0), (b"\x01", b"")),
        (0, (Enum(0), Enum(0), b"")),
    ],
)
def test_what_identifies_nothing(value):
    with pytest.raises(LocalProtocolError, match="not the identification"):
        identification(value)
