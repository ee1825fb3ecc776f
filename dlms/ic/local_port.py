"""Data exchange over local ports.  Blue Book, class 23."""

from __future__ import annotations

from dlms.interface import Attribute, Interface
from dlms.types import Enum, LongUnsigned, Unsigned


class IecHdlcSetup(Interface, class_id=23, version=1):
    """How the HDLC channel is set up.  Times: octets in ms, inactivity in s.  Blue Book, class 23 version 1."""

    comm_speed = Attribute[int](2, Enum, static=True)
    window_size_transmit = Attribute[int](3, Unsigned, static=True)
    window_size_receive = Attribute[int](4, Unsigned, static=True)
    max_info_field_length_transmit = Attribute[int](5, LongUnsigned, static=True)
    max_info_field_length_receive = Attribute[int](6, LongUnsigned, static=True)
    inter_octet_time_out = Attribute[int](7, LongUnsigned, static=True)
    inactivity_time_out = Attribute[int](8, LongUnsigned, static=True)
    device_address = Attribute[int](9, LongUnsigned, static=True)
