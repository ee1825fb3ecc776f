"""Passes 3 and 4 of a high level authentication against servers whose answers are not what they should be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import AUTHENTICATION_REQUIREMENT, Aare, Diagnostic, context_oid, mechanism_oid
from dlms.apdu import InitiateResponse
from dlms.apdu.short_name import DataAccessError, ParameterizedAccess, ReadData, ReadRequest, ReadResponse
from dlms.codec import encode
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import AssociationRefused, RemoteProtocolError, SecurityError
from dlms.operations.associate import AssociationRequest
from dlms.operations.authenticate import authenticate
from dlms.security.hls import scheme_of
from tests.dlms.secured import CLIENT_TITLE, SECRET, SERVER_TITLE, world

LN, SN = ApplicationContext.LN, ApplicationContext.SN
CHALLENGE = bytes(range(32))


def accepting(request: AssociationRequest, title: bytes | None) -> Aare:
    context = request.context
    agreed = Conformance.PARAMETERIZED_ACCESS | Conformance.READ if context is SN else Conformance.ACTION
    initiate = InitiateResponse(None, 6, agreed, 500, 0xFA00 if context is SN else 7)
    return Aare(
        application_context_name=context_oid(context),
        result=0,
        diagnostic=Diagnostic(1, 14),
        responding_ap_title=title,
        responder_acse_requirements=AUTHENTICATION_REQUIREMENT,
        mechanism_name=mechanism_oid(request.mechanism),
        responding_authentication_value=CHALLENGE,
        user_information=encode(initiate),
    )


def third_pass(request: AssociationRequest, title: bytes | None) -> tuple[Any, Any, bytes]:
    """The operation, the request that carries the client's proof, and the client's challenge."""
    operation = authenticate(request)
    asked = next(operation).apdu
    return operation, operation.send(accepting(request, title)), asked.calling_authentication_value


def test_a_server_that_does_not_tell_its_title_is_none():
    request = AssociationRequest(Mechanism.HLS_SHA256, SECRET, system_title=CLIENT_TITLE)
    with pytest.raises(SecurityError, match="did not tell its system title"):
        third_pass(request, None)


def test_a_title_that_was_expected_need_not_be_told():
    security = dataclasses.replace(world().security, peer_title=SERVER_TITLE)
    request = AssociationRequest(Mechanism.HLS_SHA256, SECRET, security=security)
    for told in (None, SERVER_TITLE):
        _, sent, challenge = third_pass(request, told)
        server = scheme_of(Mechanism.HLS_SHA256, SECRET, SERVER_TITLE, CLIENT_TITLE, None)
        server.check(sent.apdu.parameters, challenge, CHALLENGE)
    with pytest.raises(SecurityError, match="is expected"):
        third_pass(request, b"SRV00002")


def test_the_proof_with_short_names_is_in_the_one_result():
    request = AssociationRequest(Mechanism.HLS_MD5, SECRET, SN)
    operation, sent, challenge = third_pass(request, None)
    ((variable,),) = (sent.apdu.variables,)
    assert isinstance(sent.apdu, ReadRequest)
    assert isinstance(variable, ParameterizedAccess)
    proof = scheme_of(Mechanism.HLS_MD5, SECRET, b"", b"", None).prove(challenge, CHALLENGE)
    with pytest.raises(StopIteration):
        operation.send(ReadResponse([ReadData(proof)]))


@pytest.mark.parametrize(
    ("results", "error", "said"),
    [
        ([], RemoteProtocolError, "no answer to our answer"),
        ([ReadData(b"x"), ReadData(b"x")], RemoteProtocolError, "no answer to our answer"),
        ([DataAccessError(3)], AssociationRefused, "refused our answer"),
        ([ReadData(None)], SecurityError, "did not answer our challenge"),
    ],
)
def test_what_is_no_proof_with_short_names(results, error, said):
    operation, _, _ = third_pass(AssociationRequest(Mechanism.HLS_MD5, SECRET, SN), None)
    with pytest.raises(error, match=said):
        operation.send(ReadResponse(results))
