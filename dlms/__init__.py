"""DLMS/COSEM: data, APDUs, security, COSEM objects, associations, client and server.

`connect` opens an association with a meter; the interface classes are in `dlms.ic`, the errors in `dlms.errors`.
"""

from __future__ import annotations

from dlms.client import Client, connect
from dlms.errors import AccessError, DlmsError
from dlms.framing.gateway import Gateway
from dlms.operations.profiles import Entries
from dlms.quirks import Quirk
from dlms.reading import Reading

__all__ = ["AccessError", "Client", "DlmsError", "Entries", "Gateway", "Quirk", "Reading", "connect"]
