"""How Kamstrup names its meters."""

from __future__ import annotations

from meters.sources import Nameplate


def logical_device_name(plate: Nameplate) -> bytes:
    """Maker KAM, E for electricity, and the serial number in 48 bits.

    The octets 4B414D45 000001151739 are documented (55121424_D1), what they mean is inferred.
    """
    return b"KAME" + plate.serial_number.to_bytes(6, "big")
