"""How a server answers an AARQ.  Green Book 9.4; the refusals are those of the abstract test cases APPL_OPEN_*."""

from __future__ import annotations

import dataclasses
import hmac

from dlms.acse import AUTHENTICATION_REQUIREMENT, Aare, Aarq, Diagnostic, context_oid
from dlms.apdu.errors import ConfirmedService, ConfirmedServiceError, ErrorClass, InitiateError
from dlms.apdu.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse, vaa_name
from dlms.association import Negotiated, foreign
from dlms.codec import encode
from dlms.enums import AssociationResult, Conformance, Mechanism, ProviderDiagnostic, UserDiagnostic
from dlms.errors import DecodeError
from dlms.server.device import Device, ServerAssociation

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
    """The AARE to send (None where none is allowed) and what was agreed (None when it was refused)."""

    aare: Aare | None
    negotiated: Negotiated | None


def answer(aarq: Aarq, granted: ServerAssociation | None, device: Device) -> Answer:
    """Accept or refuse an association.  `granted` is what the device offers this pair of service access points."""
    name = aarq.application_context_name if granted is None else context_oid(granted.context)
    try:
        if granted is None or granted.pre_established is not None:
            raise Refused(Diagnostic(USER, _D.NO_REASON_GIVEN))
        _check_acse(aarq, granted)
        _check_authentication(aarq, granted, device)
        request = _check_initiate(aarq, granted)
    except Refused as refusal:
        return Answer(_refusal(name, refusal) if _answerable(aarq) else None, None)
    size = request.client_max_receive_pdu_size
    conformance = request.conformance & _offered(granted)
    agreed = Negotiated(conformance, size, granted.max_receive, granted.context, granted.mechanism)
    response = InitiateResponse(None, DLMS_VERSION, conformance, granted.max_receive, vaa_name(granted.context))
    accepted = Aare(
        application_context_name=name,
        result=int(AssociationResult.ACCEPTED),
        diagnostic=Diagnostic(USER, _D.NULL),
        user_information=encode(response),
    )
    return Answer(accepted if request.response_allowed else None, agreed)


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
    if granted.users is not None and aarq.calling_ae_invocation_id not in granted.users:
        raise _refuse(_D.CALLING_AE_INVOCATION_IDENTIFIER_NOT_RECOGNIZED)


def _check_authentication(aarq: Aarq, granted: ServerAssociation, device: Device) -> None:
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
    expected = device.secrets[granted.client_sap, granted.server_sap]
    if secret is None or not expected or not hmac.compare_digest(secret, expected):
        raise _refuse(_D.AUTHENTICATION_FAILURE)


def _check_initiate(aarq: Aarq, granted: ServerAssociation) -> InitiateRequest:
    try:
        request = aarq.initiate()
    except DecodeError as fault:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.OTHER) from fault
    if request.dlms_version < DLMS_VERSION:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.DLMS_VERSION_TOO_LOW)
    if not request.conformance & _offered(granted):
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.INCOMPATIBLE_CONFORMANCE)
    if 0 < request.client_max_receive_pdu_size < MIN_PDU_SIZE:
        raise _refuse(_D.NO_REASON_GIVEN, InitiateError.PDU_SIZE_TOO_SHORT)
    if request.dedicated_key is not None:
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
