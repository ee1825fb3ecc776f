"""Opening and closing an association: what is asked for, what came of it.  Green Book 9.4."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from dlms.acse import (
    AUTHENTICATION_REQUIREMENT,
    Aare,
    Aarq,
    Diagnostic,
    Rlre,
    Rlrq,
    context_oid,
    mechanism_oid,
)
from dlms.apdu.errors import ConfirmedServiceError
from dlms.apdu.initiate import DLMS_VERSION, InitiateRequest, InitiateResponse, vaa_name
from dlms.association import NOTHING, Negotiated
from dlms.codec import Record, decode, encode
from dlms.enums import (
    ApplicationContext,
    AssociationResult,
    Conformance,
    Mechanism,
    ProviderDiagnostic,
    ReleaseRequestReason,
    UserDiagnostic,
    bit_names,
    label,
    named,
)
from dlms.errors import AssociationRefused, DecodeError, LocalProtocolError, RemoteProtocolError, SecurityError
from dlms.operations import Operation, Request

if TYPE_CHECKING:
    from dlms.ciphering import Security
    from dlms.security.hls import VendorFunction

C = Conformance
LN_CONFORMANCE = (
    C.PRIORITY_MANAGEMENT_SUPPORTED
    | C.BLOCK_TRANSFER_WITH_GET_OR_READ
    | C.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | C.BLOCK_TRANSFER_WITH_ACTION
    | C.MULTIPLE_REFERENCES
    | C.DATA_NOTIFICATION
    | C.GET
    | C.SET
    | C.SELECTIVE_ACCESS
    | C.EVENT_NOTIFICATION
    | C.ACCESS
    | C.ACTION
)
"""What this client does with logical names, but general block transfer: that is for those who ask for it."""
SN_CONFORMANCE = (
    C.READ
    | C.WRITE
    | C.UNCONFIRMED_WRITE
    | C.BLOCK_TRANSFER_WITH_GET_OR_READ
    | C.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | C.MULTIPLE_REFERENCES
    | C.INFORMATION_REPORT
    | C.DATA_NOTIFICATION
    | C.PARAMETERIZED_ACCESS
)
"""What this client proposes with short names: all that it asks for, and what a meter may send by itself."""
ACCEPTING = frozenset((UserDiagnostic.NULL,))
"""What the diagnostic of an AARE that accepts may be."""
ACCEPTING_HLS = ACCEPTING | {UserDiagnostic.AUTHENTICATION_REQUIRED}
"""The same where passes 3 and 4 of the authentication are due."""
PROPOSALS = {context: SN_CONFORMANCE if context.short_names else LN_CONFORMANCE for context in ApplicationContext}
"""What is proposed in a context unless the user says otherwise."""


@dataclasses.dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What association to ask for.  Sizes are octets; the secret is never shown.

    Without `conformance` it is that of `PROPOSALS` for the context.  `user` identifies who uses the client, where the
    server wants to know.  One that is not `confirmed` has no answers: what was proposed is taken to hold, and only
    unconfirmed services are served.  One that is `pre_established` is not asked for at all: that is what holds in it.
    A ciphered context and the mechanisms HLS GMAC and ECDSA need `security`; `system_title` is ours where HLS SHA-256 is
    used without it.  `vendor` is what stands behind mechanism 2, None for the common AES scheme.
    """

    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = dataclasses.field(default=b"", repr=False)
    context: ApplicationContext = ApplicationContext.LN
    conformance: Conformance = NOTHING
    max_receive: int = 0xFFFF
    user: int | None = None
    confirmed: bool = True
    pre_established: Negotiated | None = None
    security: Security | None = None
    system_title: bytes | None = None
    vendor: VendorFunction | None = dataclasses.field(default=None, repr=False)

    @property
    def released(self) -> bool:
        """Whether the association can be closed by asking; the others end with the layer below."""
        return self.confirmed and self.pre_established is None

    def __post_init__(self) -> None:
        if self.security is not None and self.system_title is None:
            object.__setattr__(self, "system_title", self.security.system_title)
        if self.context not in ApplicationContext:
            raise LocalProtocolError(f"there is no application context {self.context}")
        if self.context.ciphered and self.security is None:
            raise LocalProtocolError(f"context {label(ApplicationContext, self.context)} needs keys: say `security`")
        self._check_mechanism()
        if not self.conformance:
            object.__setattr__(self, "conformance", PROPOSALS[self.context] | self._general_protection())
        if not 0 <= self.max_receive <= 0xFFFF:
            raise LocalProtocolError(f"APDUs of {self.max_receive} octets: 0 (no limit) to 65535 can be proposed")

    def _check_mechanism(self) -> None:
        if self.mechanism not in Mechanism:
            raise LocalProtocolError(f"there is no authentication mechanism {self.mechanism}")
        wanted = label(Mechanism, self.mechanism)
        if self.mechanism is not Mechanism.NONE and not self.mechanism.with_keys and not self.secret:
            raise LocalProtocolError(
                f"{wanted} needs a password" if self.mechanism is Mechanism.LLS else f"{wanted} needs a secret"
            )
        if self.mechanism.with_keys and self.security is None:
            raise LocalProtocolError(f"{wanted} needs keys: say `security`")
        if self.mechanism is Mechanism.HLS_SHA256 and self.system_title is None:
            raise LocalProtocolError(f"{wanted} needs a system title")
        if self.mechanism >= Mechanism.HLS and not self.confirmed:
            raise LocalProtocolError("an unconfirmed association has no high level authentication")

    def _general_protection(self) -> Conformance:
        general = self.security is not None and self.context.ciphered and self.security.general
        return Conformance.GENERAL_PROTECTION if general else NOTHING


def aarq(request: AssociationRequest, challenge: bytes = b"") -> Aarq:
    """The AARQ that asks for this association; `challenge` is ours where the authentication is of high level."""
    initiate = InitiateRequest(None, request.confirmed, None, DLMS_VERSION, request.conformance, request.max_receive)
    titled = request.context.ciphered or request.mechanism.with_titles
    signing, security = request.mechanism is Mechanism.HLS_ECDSA, request.security
    proves = request.mechanism is not Mechanism.NONE
    return Aarq(
        application_context_name=context_oid(request.context),
        calling_ap_title=request.system_title if titled else None,
        calling_ae_qualifier=security.certificate(signing=signing) if security is not None and titled else None,
        calling_ae_invocation_id=request.user,
        sender_acse_requirements=AUTHENTICATION_REQUIREMENT if proves else None,
        mechanism_name=mechanism_oid(request.mechanism) if proves else None,
        calling_authentication_value=(challenge or request.secret) if proves else None,
        user_information=encode(initiate),
    )


def negotiate(request: AssociationRequest, answer: Aare) -> Negotiated:
    """What an AARE agrees to.

    Raises RemoteProtocolError when it contradicts itself or agrees to something that was not asked for, SecurityError when
    that is weaker; a refusal is left to `associate`.
    """
    if answer.result != AssociationResult.ACCEPTED:
        return Negotiated()
    _check_accepted(request, answer)
    response = _initiate(answer, vaa_name(request.context))
    if foreign := response.conformance & ~request.conformance:
        raise RemoteProtocolError(f"AARE grants {bit_names(foreign)}, which was not proposed")
    size = response.server_max_receive_pdu_size
    overhead = _overhead(request)
    if request.security is not None and Conformance.GENERAL_PROTECTION & request.conformance & ~response.conformance:
        raise SecurityError("the meter did not grant general-protection, which the envelopes asked for need")
    return Negotiated(response.conformance, size, request.max_receive, request.context, request.mechanism, overhead)


def _overhead(request: AssociationRequest) -> int:
    return request.security.overhead if request.security is not None and request.context.ciphered else 0


def _check_accepted(request: AssociationRequest, answer: Aare) -> None:
    """An AARE that accepts says so in all its fields, and accepts what was asked for."""
    accepting = ACCEPTING_HLS if request.mechanism >= Mechanism.HLS else ACCEPTING
    if answer.diagnostic is None or answer.diagnostic.code not in accepting:
        raise RemoteProtocolError(f"AARE that accepts with {diagnostic_text(answer.diagnostic)}")
    version = answer.protocol_version
    if version is not None and not (len(version) == 2 and version[1] & 0x80):
        raise RemoteProtocolError(f"AARE with protocol version {version.hex()}, version 1 wanted")
    if answer.application_context_name is not None or request.context.ciphered:
        _check_same(
            "context", ApplicationContext, request.context, answer.application_context, request.context.ciphered
        )
    if answer.mechanism_name is not None or request.mechanism >= Mechanism.HLS:
        given = Mechanism.NONE if answer.mechanism_name is None else answer.mechanism
        _check_same(
            "authentication", Mechanism, request.mechanism, given, given is not None and given < request.mechanism
        )


def _check_same(what: str, kind: type[enum.IntEnum], wanted: int, given: int | None, weaker: bool) -> None:
    """Raises SecurityError where what was given instead of `wanted` is `weaker`, RemoteProtocolError where it is not."""
    if given != wanted:
        got = "unknown" if given is None else label(kind, given)
        error = SecurityError if weaker else RemoteProtocolError
        raise error(f"AARE with {what} {got}, {label(kind, wanted)} wanted")


def _initiate(answer: Aare, wanted: int) -> InitiateResponse:
    try:
        response = answer.initiate()
    except DecodeError as fault:
        raise RemoteProtocolError(f"AARE without a readable initiate-response: {fault}") from fault
    if response.dlms_version != DLMS_VERSION:
        raise RemoteProtocolError(f"AARE with DLMS version {response.dlms_version}, {DLMS_VERSION} wanted")
    if response.vaa_name != wanted:
        raise RemoteProtocolError(f"AARE with VAA name {response.vaa_name:#06x}, {wanted:#06x} wanted")
    if 0 < response.server_max_receive_pdu_size < 12:
        raise RemoteProtocolError(f"AARE with a PDU size of {response.server_max_receive_pdu_size} octets")
    return response


def assumed(request: AssociationRequest) -> Negotiated | None:
    """What holds in an association that nobody answers for; None where an AARE says it."""
    if request.confirmed and request.pre_established is None:
        return None
    overhead = _overhead(request)
    proposed = Negotiated(request.conformance, 0, request.max_receive, request.context, request.mechanism, overhead)
    return request.pre_established or proposed


def associate(request: AssociationRequest) -> Operation[Negotiated]:
    """Open the association.  Raises AssociationRefused with the server's diagnostic when it does not want to."""
    if (unanswered := assumed(request)) is not None:
        if request.pre_established is None:
            yield Request(aarq(request), ())
        return unanswered
    if request.mechanism < Mechanism.HLS:
        return accepted(request, (yield Request(aarq(request), (Aare,))))
    from dlms.operations.authenticate import authenticate  # a plain reader loads no cryptography

    return (yield from authenticate(request))


def accepted(request: AssociationRequest, answer: Record) -> Negotiated:
    """What the answer to an AARQ comes to.  Raises AssociationRefused when it is no."""
    assert isinstance(answer, Aare)
    if answer.result != AssociationResult.ACCEPTED:
        text, code = _refusal(answer), answer.diagnostic.code if answer.diagnostic else None
        if request.context.ciphered and code == UserDiagnostic.AUTHENTICATION_FAILURE:
            text += ": it has other keys, or has seen a higher invocation counter"
        raise AssociationRefused(text, answer.result, code)
    return negotiate(request, answer)


def _refusal(answer: Aare) -> str:
    result = label(AssociationResult, answer.result if answer.result is not None else -1)
    text = f"the meter refused the association: {result}, {diagnostic_text(answer.diagnostic)}"
    if (answer.user_information or b"")[:1] == ConfirmedServiceError.prefix:
        try:
            text += f" ({decode(ConfirmedServiceError, answer.user_information or b'')})"
        except DecodeError as fault:
            text += f" ({fault})"
    return text


def diagnostic_text(diagnostic: Diagnostic | None) -> str:
    """The diagnostic in the standard's words."""
    if diagnostic is None:
        return "no diagnostic"
    kind = UserDiagnostic if diagnostic.source == 1 else ProviderDiagnostic
    return label(kind, named(kind, diagnostic.code))


def release() -> Operation[None]:
    """Close the association.  Raises RemoteProtocolError when the server does not want to."""
    answer = yield Request(Rlrq(int(ReleaseRequestReason.NORMAL)), (Rlre,))
    assert isinstance(answer, Rlre)
    if answer.reason not in (None, 0):
        raise RemoteProtocolError(f"the meter did not release the association: reason {answer.reason}")
