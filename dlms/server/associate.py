"""How a server answers an AARQ.  Green Book 9.4; the refusals are those of the abstract test cases APPL_OPEN_*."""

from __future__ import annotations

import dataclasses
import hmac
from typing import TYPE_CHECKING

from dlms.acse import AUTHENTICATION_REQUIREMENT, Aare, Aarq, Diagnostic, context_oid
from dlms.apdu.errors import ConfirmedService, ConfirmedServiceError, ErrorClass, InitiateError
from dlms.apdu.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse, vaa_name
from dlms.association import Negotiated, foreign
from dlms.codec import encode
from dlms.enums import AssociationResult, Conformance, Mechanism, ProviderDiagnostic, UserDiagnostic
from dlms.errors import DecodeError, LocalProtocolError, SecurityError
from dlms.security.policy import Access, Protection
from dlms.server.device import Device, ServerAssociation

if TYPE_CHECKING:
    from dlms.security.hls import Handshake
    from dlms.server.security import ServerCiphering

MIN_PDU_SIZE = 12
USER, PROVIDER = 1, 2
_D = UserDiagnostic


class Refused(Exception):
    """The AARQ is refused with this diagnostic and, where the initiate is at fault, its error."""

    def __init__(self, diagnostic: Diagnostic, initiate_error: InitiateError | None = None) -> None:
        super().__init__(diagnostic)
        self.diagnostic, self.initiate_error = diagnostic, initiate_error


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The AARE to send (None where none is allowed) and what was agreed (None when it was refused).

    `ciphering` has the envelopes of a ciphered context; `handshake` waits for the client's proof where one is due.
    """

    aare: Aare | None
    negotiated: Negotiated | None
    ciphering: ServerCiphering | None = None
    handshake: Handshake | None = None
    user: int | None = None
    """Who the client says that it is, where the association asks for it."""
    client_title: bytes | None = None
    """The system title that the client says it has."""
    authenticated: bool | None = None
    """Whether the client has proved itself; None where nothing has been judged yet, or never is."""


def answer(aarq: Aarq, granted: ServerAssociation | None, device: Device, waiting: Handshake | None = None) -> Answer:
    """Accept or refuse an association.  `granted` is what the device offers this pair of service access points.

    `waiting` is the handshake of the AARQ before, where this may be another try of it: with the same challenge of the client
    it goes on, since the client may have taken the answer to either.
    """
    name = aarq.application_context_name if granted is None else context_oid(granted.context)
    answerable = True
    try:
        if granted is None or granted.pre_established is not None:
            answerable = _answerable(aarq)
            raise Refused(Diagnostic(USER, _D.NO_REASON_GIVEN))
        answerable = granted.context.ciphered or _answerable(aarq)
        _check_acse(aarq, granted)
        _check_authentication(aarq, granted)
        handshake = _handshake(aarq, granted, device, waiting)
        aarq, ciphering = _deciphered(aarq, granted, device)
        request = _check_initiate(aarq, granted)
    except Refused as refusal:
        failed = refusal.diagnostic == Diagnostic(USER, _D.AUTHENTICATION_FAILURE)
        return Answer(_refusal(name, refusal) if answerable else None, None, authenticated=False if failed else None)
    size = request.client_max_receive_pdu_size
    conformance = request.conformance & _offered(granted)
    added = 0
    if ciphering is not None:
        ciphering.general, ciphering.owed = Conformance.GENERAL_PROTECTION in conformance, _owed(granted)
        added = ciphering.overhead(conformance)
    agreed = Negotiated(conformance, size, granted.max_receive, granted.context, granted.mechanism, added)
    response = encode(initiate_response(agreed))
    accepted = Aare(
        application_context_name=name,
        result=int(AssociationResult.ACCEPTED),
        diagnostic=Diagnostic(USER, _D.NULL if handshake is None else _D.AUTHENTICATION_REQUIRED),
        responding_ap_title=device.system_title if _titled(granted) else None,
        responding_ae_qualifier=_certificate(aarq, granted, device),
        responder_acse_requirements=None if handshake is None else AUTHENTICATION_REQUIREMENT,
        mechanism_name=None if handshake is None else aarq.mechanism_name,
        responding_authentication_value=None if handshake is None else handshake.challenge,
        user_information=response if ciphering is None else ciphering.close_initiate(response),
    )
    user = None if granted.users is None else aarq.calling_ae_invocation_id
    title, proved = aarq.calling_ap_title, True if granted.mechanism is Mechanism.LLS else None
    told = accepted if request.response_allowed else None
    return Answer(told, agreed, ciphering, handshake, user, title, proved)


def _owed(granted: ServerAssociation) -> Protection:
    """What the rights of an association want of any response."""
    owed = Access.NONE
    for served in granted.objects.values():
        for access in (*served.rights.attributes.values(), *served.rights.method_access.values()):
            owed |= access
    return owed.policy.response


def not_now(aarq: Aarq) -> Answer:
    """The answer of a port that is locked: the client may ask again later, and nothing that it said is judged."""
    refused = Aare(
        application_context_name=aarq.application_context_name,
        result=int(AssociationResult.REJECTED_TRANSIENT),
        diagnostic=Diagnostic(USER, _D.NO_REASON_GIVEN),
    )
    return Answer(refused if _answerable(aarq) else None, None)


def standing(granted: ServerAssociation, device: Device) -> tuple[Negotiated, ServerCiphering | None]:
    """What holds in an association that is there without being asked for, and its envelopes in a ciphered context."""
    assert granted.pre_established is not None
    held, setup = granted.pre_established, device.setup(granted)
    if not granted.context.ciphered or setup is None:
        return held, None
    from dlms.ciphering import Shape
    from dlms.server.security import ServerCiphering

    ciphering = ServerCiphering(setup, setup.ciphering(granted.client_title or b""), Shape())
    ciphering.general, ciphering.owed = Conformance.GENERAL_PROTECTION in held.conformance, _owed(granted)
    return dataclasses.replace(held, overhead=ciphering.overhead(held.conformance)), ciphering


def initiate_response(agreed: Negotiated) -> InitiateResponse:
    """What was agreed, as an AARE and a protected RLRE tell it."""
    return InitiateResponse(None, DLMS_VERSION, agreed.conformance, agreed.max_receive, vaa_name(agreed.context))


def _titled(granted: ServerAssociation) -> bool:
    """Whether the two ends tell each other their system titles."""
    return granted.context.ciphered or granted.mechanism.with_titles


def _certificate(aarq: Aarq, granted: ServerAssociation, device: Device) -> bytes | None:
    """Our certificate for signatures, where they are due or the client has sent its own.  Green Book, AARE."""
    setup = device.setup(granted)
    if setup is None or setup.provider.suite.curve_name is None or not _titled(granted):
        return None
    if granted.mechanism is not Mechanism.HLS_ECDSA and aarq.calling_ae_qualifier is None:
        return None
    from dlms.security.certificates import Purpose

    return setup.provider.certificate(Purpose.SIGNATURE)


def _handshake(aarq: Aarq, granted: ServerAssociation, device: Device, waiting: Handshake | None) -> Handshake | None:
    """Passes 1 and 2 of a high level authentication: the client's challenge is taken, ours is made."""
    if granted.mechanism < Mechanism.HLS:
        return None
    from dlms.security.hls import Handshake, Role  # a server of plain associations loads no cryptography
    from dlms.server.security import scheme

    if waiting is not None and waiting.answers(granted.mechanism, aarq.calling_authentication_value):
        return waiting
    handshake = Handshake(granted.mechanism, Role.SERVER)
    try:
        title = device.system_title or b""
        used = scheme(granted, device.setup(granted), aarq, title, device.quirks)
        handshake.receive(aarq.calling_authentication_value or b"", used)
    except (SecurityError, LocalProtocolError) as fault:
        raise _refuse(_D.AUTHENTICATION_FAILURE) from fault
    return handshake


def _deciphered(aarq: Aarq, granted: ServerAssociation, device: Device) -> tuple[Aarq, ServerCiphering | None]:
    """The AARQ with its initiate in clear, and the envelopes of the association."""
    setup = device.setup(granted)
    if not granted.context.ciphered or setup is None:
        return aarq, None
    from dlms.security.keys import Secret
    from dlms.server.security import ServerCiphering, opened_initiate

    title, sent = aarq.calling_ap_title or b"", aarq.calling_ae_qualifier
    try:
        ciphering = setup.ciphering(title, certificate=sent)
        opened = opened_initiate(ciphering, aarq.user_information)
        plain = dataclasses.replace(aarq, user_information=opened.plain)
        made, dedicated = plain.initiate().dedicated_key, None
        if made is not None:
            if len(made) != setup.provider.suite.key_length:
                raise SecurityError(f"a dedicated key of {len(made)} octets")
            dedicated = Secret(made)
            ciphering = setup.ciphering(title, dedicated, sent)
    except (SecurityError, LocalProtocolError, DecodeError) as fault:
        raise _refuse(_D.AUTHENTICATION_FAILURE) from fault
    setup.client_title = title
    return plain, ServerCiphering(setup, ciphering, opened.shape, dedicated, sent)


def _offered(granted: ServerAssociation) -> Conformance:
    """What is offered, without the services that the context does not have."""
    return granted.conformance & ~foreign(granted.context)


def _answerable(aarq: Aarq) -> bool:
    """Whether the client listens: one that asks for an unconfirmed association does not."""
    try:
        return aarq.initiate().response_allowed
    except DecodeError:
        return True


def _refuse(diagnostic: UserDiagnostic, error: InitiateError | None = None) -> Refused:
    return Refused(Diagnostic(USER, diagnostic), error)


def _check_acse(aarq: Aarq, granted: ServerAssociation) -> None:
    version = aarq.protocol_version
    if version is not None and not (len(version) == 2 and version[1] & 0x80):
        raise Refused(Diagnostic(PROVIDER, ProviderDiagnostic.NO_COMMON_ACSE_VERSION))
    if aarq.application_context != granted.context:
        raise _refuse(_D.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
    if aarq.calling_ap_title is not None and len(aarq.calling_ap_title) != 8:
        raise _refuse(_D.CALLING_AP_TITLE_NOT_RECOGNIZED)
    if aarq.calling_ap_title is None and _titled(granted):
        raise _refuse(_D.CALLING_AP_TITLE_NOT_RECOGNIZED)
    if granted.users is not None and aarq.calling_ae_invocation_id not in granted.users:
        raise _refuse(_D.CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED)


def _check_authentication(aarq: Aarq, granted: ServerAssociation) -> None:
    """The matrix of APPL_OPEN_7: what is missing or wrong decides the diagnostic."""
    offered = aarq.mechanism if aarq.mechanism_name is not None else Mechanism.NONE
    if granted.mechanism is Mechanism.NONE:
        if offered != Mechanism.NONE:
            raise _refuse(_D.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED)
        return
    requirements, secret = aarq.sender_acse_requirements, aarq.calling_authentication_value
    if requirements != AUTHENTICATION_REQUIREMENT:
        raise _refuse(_D.AUTHENTICATION_REQUIRED)
    if aarq.mechanism_name is None:
        raise _refuse(_D.AUTHENTICATION_MECHANISM_NAME_REQUIRED)
    if offered != granted.mechanism:
        raise _refuse(_D.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED)
    if granted.mechanism >= Mechanism.HLS:
        if secret is None:
            raise _refuse(_D.AUTHENTICATION_FAILURE)
        return  # the handshake judges the challenge
    if secret is None or not granted.secret or not hmac.compare_digest(secret, granted.secret):
        raise _refuse(_D.AUTHENTICATION_FAILURE)


def _check_initiate(aarq: Aarq, granted: ServerAssociation) -> InitiateRequest:
    try:
        request = aarq.initiate()
    except DecodeError as fault:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.OTHER) from fault
    if not request.response_allowed and granted.mechanism >= Mechanism.HLS:
        raise _refuse(_D.AUTHENTICATION_FAILURE)  # nobody would prove anything
    if request.dlms_version < DLMS_VERSION:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.DLMS_VERSION_TOO_LOW)
    if not request.conformance & _offered(granted):
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.INCOMPATIBLE_CONFORMANCE)
    if 0 < request.client_max_receive_pdu_size < MIN_PDU_SIZE:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.PDU_SIZE_TOO_SHORT)
    if request.dedicated_key is not None and not granted.context.ciphered:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.OTHER)
    return request


def _refusal(context_name: bytes | None, refusal: Refused) -> Aare:
    service = None
    if refusal.initiate_error is not None:
        service = ConfirmedServiceError(ConfirmedService.INITIATE_ERROR, ErrorClass.INITIATE, refusal.initiate_error)
    return Aare(
        application_context_name=context_name,
        result=int(AssociationResult.REJECTED_PERMANENT),
        diagnostic=refusal.diagnostic,
        user_information=None if service is None else encode(service),
    )
