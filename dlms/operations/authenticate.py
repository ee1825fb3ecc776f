"""Passes 3 and 4 of a high level authentication, on the client.  Green Book, HLS authentication.

The client proves itself first; the association is open only when the server has proved itself too.
"""

from __future__ import annotations

from dlms.acse import Aare
from dlms.apdu.short_name import ParameterizedAccess, ReadData, ReadRequest, ReadResponse
from dlms.association import Negotiated
from dlms.enums import Mechanism
from dlms.errors import AccessError, AssociationRefused, RemoteProtocolError, SecurityError
from dlms.operations import Operation, Request, objects, short_name
from dlms.operations.associate import AssociationRequest, aarq, accepted
from dlms.operations.write import call
from dlms.security.channel import Channel
from dlms.security.hls import Handshake, Role, Scheme, scheme_of


def authenticate(request: AssociationRequest) -> Operation[Negotiated]:
    """All four passes: ask for the association, prove ourselves, then check the server's proof.

    Raises SecurityError for a server that does not prove itself, AssociationRefused when it refuses us.
    """
    handshake = Handshake(request.mechanism, Role.CLIENT)
    answer = yield Request(aarq(request, handshake.challenge), (Aare,))
    negotiated = accepted(request, answer)
    assert isinstance(answer, Aare)
    yield from _prove(request, handshake, answer)
    return negotiated


def _prove(request: AssociationRequest, handshake: Handshake, answer: Aare) -> Operation[None]:
    challenge = answer.responding_authentication_value
    if challenge is None:
        raise SecurityError("the server sent no challenge")
    handshake.receive(challenge, _scheme(request, answer.responding_ap_title, answer.responding_ae_qualifier))
    try:
        proof = yield from _reply(handshake.prove(), short_names=request.context.short_names)
    except AccessError as refusal:
        raise AssociationRefused(f"the meter refused our answer to its challenge: {refusal}") from refusal
    if not isinstance(proof, bytes):
        raise SecurityError("the server did not answer our challenge")
    handshake.check(proof)


def _reply(answer: bytes, *, short_names: bool) -> Operation[object]:
    if not short_names:
        return (yield from call(objects.CURRENT_ASSOCIATION.reply_to_hls_authentication, answer))
    variable = ParameterizedAccess(short_name.REPLY_TO_HLS, 0, answer)
    reply = yield Request(ReadRequest([variable]), (ReadResponse,), read_only=False)
    assert isinstance(reply, ReadResponse)
    match reply.results:
        case [ReadData(proof)]:
            return proof
        case [refusal] if hasattr(refusal, "data_access_result"):
            raise AccessError(refusal.data_access_result, short_name.CURRENT_ASSOCIATION.reply_to_hls_authentication)
    raise RemoteProtocolError("no answer to our answer to its challenge")


def _scheme(request: AssociationRequest, told: bytes | None, certificate: bytes | None) -> Scheme:
    """What the mechanism does with our secrets; `told` is the title that the server says it has.

    `certificate` is what it sent of itself, which must be right where no signing key of it is on file.
    """
    mechanism, security = request.mechanism, request.security
    if not mechanism.with_titles:
        return scheme_of(mechanism, request.secret, b"", b"", None, vendor=request.vendor)
    expected = None if security is None else security.peer_title
    title = told if told is not None else expected
    if title is None:
        raise SecurityError("the server did not tell its system title")
    if expected not in (None, title):
        raise SecurityError(f"system title {title.hex()}, where {(expected or b'').hex()} is expected")
    assert request.system_title is not None, "the request has checked it"
    channel = None
    if security is not None and mechanism.with_keys:
        provider = security.provider
        if certificate is not None and mechanism is Mechanism.HLS_ECDSA:
            provider = provider.with_sent_certificate(title, certificate)
        channel = Channel(provider, security.counters, security.system_title, title)
    return scheme_of(mechanism, request.secret, request.system_title, title, channel)
