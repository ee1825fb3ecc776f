"""The server: devices, what a client may do with their objects, and sessions that answer it.  Sans-IO."""

from __future__ import annotations

from dlms.server.device import Device, LogicalDevice, ServerAssociation
from dlms.server.pushes import Pushed
from dlms.server.rights import Access, Rights, Served
from dlms.server.session import Close, Confirmed, Session
from dlms.server.store import MemoryRows, MemoryStore, Rows, Store

__all__ = [
    "Access",
    "Close",
    "Confirmed",
    "Pushed",
    "Device",
    "LogicalDevice",
    "MemoryRows",
    "MemoryStore",
    "Rights",
    "Rows",
    "Served",
    "ServerAssociation",
    "Session",
    "Store",
]
