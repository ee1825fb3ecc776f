"""The prefix that sends an APDU through a gateway into another network.  Green Book, gateway protocol."""

from __future__ import annotations

from typing import Annotated

from dlms.codec import OCTETS, U8, Record, Rest, record


@record
class GatewayRequest(Record, prefix="E6"):
    """An APDU for the device `physical_device_address` in the network `network_id`."""

    network_id: U8
    physical_device_address: OCTETS
    apdu: Annotated[bytes, Rest()]


@record
class GatewayResponse(Record, prefix="E7"):
    """An APDU from that device."""

    network_id: U8
    physical_device_address: OCTETS
    apdu: Annotated[bytes, Rest()]
