"""xDLMS initiate: what the two ends can do and how much they can receive.  Green Book, InitiateRequest and -Response."""

from __future__ import annotations

from typing import Annotated

from dlms.codec import U8, U16, ConformanceBits, DefaultTrue, Fixed, Octets, Optional, Record, record
from dlms.enums import ApplicationContext, Conformance

DLMS_VERSION = 6
VAA_NAME_LN = 0x0007
VAA_NAME_SN = 0xFA00


def vaa_name(context: ApplicationContext) -> int:
    """The VAA name of an association: with short names it is the base name of the current association."""
    return VAA_NAME_SN if context.short_names else VAA_NAME_LN


_QUALITY = Annotated[int | None, Optional(Fixed("b"))]


@record
class InitiateRequest(Record, prefix="01"):
    """What the client proposes.  Sizes are octets; `response_allowed` False asks for an unconfirmed association."""

    dedicated_key: Annotated[bytes | None, Optional(Octets())]
    response_allowed: Annotated[bool, DefaultTrue()]
    proposed_quality_of_service: _QUALITY
    dlms_version: U8
    conformance: Annotated[Conformance, ConformanceBits()]
    client_max_receive_pdu_size: U16

    def __repr__(self) -> str:
        """Without the dedicated key."""
        key = "None" if self.dedicated_key is None else f"<{len(self.dedicated_key)} octets>"
        return (
            f"InitiateRequest(dedicated_key={key}, response_allowed={self.response_allowed}, "
            f"dlms_version={self.dlms_version}, conformance={self.conformance!r}, "
            f"client_max_receive_pdu_size={self.client_max_receive_pdu_size})"
        )


@record
class InitiateResponse(Record, prefix="08"):
    """What the server agreed to."""

    negotiated_quality_of_service: _QUALITY
    dlms_version: U8
    conformance: Annotated[Conformance, ConformanceBits()]
    server_max_receive_pdu_size: U16
    vaa_name: U16

    def problems(self) -> list[str]:
        """The version is 6, and the VAA name says logical or short names."""
        found = []
        if self.dlms_version != DLMS_VERSION:
            found.append(f"DLMS version {self.dlms_version}, {DLMS_VERSION} wanted")
        if self.vaa_name not in (VAA_NAME_LN, VAA_NAME_SN):
            found.append(f"VAA name {self.vaa_name:#06x}, 0x0007 or 0xfa00 wanted")
        return found
