"""Passes 3 and 4 on the server: the one request that is served before the client has proved itself, and its answer.

The client calls reply_to_HLS_authentication of the current association.  Green Book, HLS authentication.
"""

from __future__ import annotations

from dlms.apdu.action import ActionRequestNormal, ActionResponseNormal, ActionResult
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.apdu.short_name import DataAccessError, ParameterizedAccess, ReadData, ReadRequest, ReadResponse
from dlms.codec import ABSENT, Record
from dlms.enums import AccessResult
from dlms.errors import RemoteProtocolError
from dlms.operations import objects
from dlms.operations.short_name import REPLY_TO_HLS

_LN = objects.CURRENT_ASSOCIATION.reply_to_hls_authentication


def client_proof(request: Record) -> bytes:
    """The client's answer to our challenge.  Raises RemoteProtocolError for every other request."""
    match request:
        case ActionRequestNormal(_, CosemMethodDescriptor(class_id, instance, index), bytes(proof)) if (
            class_id,
            bytes(instance),
            index,
        ) == (_LN.class_id, bytes(_LN.instance), _LN.index):
            return proof
        case ReadRequest([ParameterizedAccess(name, _, bytes(proof))]) if name == REPLY_TO_HLS:
            return proof
    raise RemoteProtocolError(f"{request.wire_name()} before the authentication is complete")


def server_proof(request: Record, proof: bytes | None) -> Record:
    """The answer to the client's proof: ours, or a refusal."""
    if isinstance(request, ActionRequestNormal):
        if proof is None:
            return ActionResponseNormal(request.invoke, ActionResult(int(AccessResult.READ_WRITE_DENIED), ABSENT))
        return ActionResponseNormal(request.invoke, ActionResult(int(AccessResult.SUCCESS), proof))
    refused = DataAccessError(int(AccessResult.READ_WRITE_DENIED))
    return ReadResponse([refused if proof is None else ReadData(proof)])
