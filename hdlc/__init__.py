"""HDLC as DLMS/COSEM uses it: frames of type 3, and the link between one primary and one secondary station.

Sans-IO: octets and the time are arguments, octets and events are results. This package imports nothing of the others.
"""

from __future__ import annotations

from hdlc.address import Address, accepts, decode_address
from hdlc.errors import Fault, FrameError, HdlcError, LinkStateError, ParameterError
from hdlc.frame import Frame, Kind, decode_frame
from hdlc.link import Connected, Disconnected, Link, LinkConfig, Reason, Received, ReceivedUi
from hdlc.negotiation import Parameters, decode_parameters, negotiate
from hdlc.reader import Damaged, FrameReader
from hdlc.transitions import Role, State

__all__ = [
    "Address",
    "Connected",
    "Damaged",
    "Disconnected",
    "Fault",
    "Frame",
    "FrameError",
    "FrameReader",
    "HdlcError",
    "Kind",
    "Link",
    "LinkConfig",
    "LinkStateError",
    "ParameterError",
    "Parameters",
    "Reason",
    "Received",
    "ReceivedUi",
    "Role",
    "State",
    "accepts",
    "decode_address",
    "decode_frame",
    "decode_parameters",
    "negotiate",
]
