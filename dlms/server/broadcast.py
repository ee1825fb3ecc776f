"""Requests under the broadcast key: carried out where an association takes them, and answered never.  Green Book, key sets.

Every meter knows that key, so that whoever has opened one meter can send them.  They reach the objects that
`ServerAssociation.broadcast` names, with the rights that stand there, and nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dlms.apdu import decode_apdu
from dlms.apdu.action import ActionRequestNormal, ActionRequestWithList
from dlms.apdu.set import SetRequestNormal, SetRequestWithList
from dlms.apdu.short_name import UnconfirmedWriteRequest
from dlms.association import Association
from dlms.codec import Record
from dlms.errors import DlmsError, RemoteProtocolError
from dlms.server.services import Services
from dlms.server.short_name_services import ShortNameServices

if TYPE_CHECKING:
    from dlms.server.security import ServerCiphering

CONFIRMED = 0x40
"""The bit of an invoke-id that wants an answer."""
_WITH_INVOKE_ID = (SetRequestNormal, SetRequestWithList, ActionRequestNormal, ActionRequestWithList)


def carry_out(
    data: bytes,
    ciphering: ServerCiphering,
    machine: Association,
    services: Services | ShortNameServices,
    frame: int | None,
) -> bool:
    """Carry out a broadcast; whether it was one that this association takes.  Nobody is told, whatever came of it.

    It is served beside `services`, so that it ends no transfer of the client that has the association.  Its counter is
    that of its key and its sender, in whichever association it comes.
    """
    if len(data) > machine.negotiated.max_receive > 0:
        return False
    try:
        opened = ciphering.open_broadcast(data)
        request = decode_apdu(opened.plain)
        if not _unanswered(request):
            raise RemoteProtocolError(f"{request.wire_name()} wants an answer, which a broadcast never has")
        machine.receive(request)
        alone = type(services)(dataclasses.replace(services.reach.context), frame)
        alone.reach.serve(opened.protection, broadcast=True)
        alone.answer(request)
    except DlmsError:
        return False
    return True


def _unanswered(request: Record) -> bool:
    """Whether a request is one of those that are carried out without an answer."""
    if isinstance(request, _WITH_INVOKE_ID):
        return not request.invoke & CONFIRMED
    return isinstance(request, UnconfirmedWriteRequest)
