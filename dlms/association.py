"""The association's state machine: one table for both ends.

`TRANSITIONS` says which kind of APDU takes which state to which; what is not in it is forbidden.  `SENDERS` says who may
send a kind, `NEEDS` which conformance bit a service wants.  Client and server run the same code with another role.
"""

from __future__ import annotations

import dataclasses
import enum

from dlms import apdu as services
from dlms.acse import Aare, Aarq, Rlre, Rlrq
from dlms.apdu.access import (
    AccessAction,
    AccessGet,
    AccessGetWithSelection,
    AccessSet,
    AccessSetWithSelection,
)
from dlms.apdu.get import GetResponseListRaw, GetResponseRaw
from dlms.apdu.short_name import (
    BlockNumberAccess,
    ParameterizedAccess,
    ReadDataBlockAccess,
    ReadResponseRaw,
    WriteDataBlockAccess,
)
from dlms.codec import Record
from dlms.enums import (
    ApplicationContext,
    AssociationResult,
    Conformance,
    Mechanism,
    ReleaseResponseReason,
    bit_names,
)
from dlms.errors import DlmsError, LocalProtocolError, RemoteProtocolError


class Role(enum.Enum):
    """Which end of the association this is."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class State(enum.Enum):
    """Where an association stands.  Green Book 9.4, state machines of the client and server control function."""

    CLOSED = enum.auto()
    OPENING = enum.auto()
    AUTHENTICATING = enum.auto()
    """Passes 3 and 4 of a high level authentication: nothing else is served."""
    OPEN = enum.auto()
    RELEASING = enum.auto()


class Kind(enum.Enum):
    """What an APDU does to an association."""

    AARQ = enum.auto()
    AARE = enum.auto()
    REQUEST = enum.auto()
    RESPONSE = enum.auto()
    REFUSAL = enum.auto()
    NOTIFICATION = enum.auto()
    CONFIRM = enum.auto()
    RLRQ = enum.auto()
    RLRE = enum.auto()


SENDERS = {
    Kind.AARQ: Role.CLIENT,
    Kind.AARE: Role.SERVER,
    Kind.REQUEST: Role.CLIENT,
    Kind.RESPONSE: Role.SERVER,
    Kind.REFUSAL: Role.SERVER,
    Kind.NOTIFICATION: Role.SERVER,
    Kind.CONFIRM: Role.CLIENT,
    Kind.RLRQ: Role.CLIENT,
    Kind.RLRE: Role.SERVER,
}

# (state, kind) -> next state; absent means forbidden.  What depends on content is in `_branch`.
TRANSITIONS: dict[tuple[State, Kind], State] = {
    (State.CLOSED, Kind.AARQ): State.OPENING,
    (State.CLOSED, Kind.REFUSAL): State.CLOSED,
    (State.CLOSED, Kind.NOTIFICATION): State.CLOSED,
    (State.CLOSED, Kind.CONFIRM): State.CLOSED,
    (State.OPENING, Kind.AARE): State.OPEN,
    (State.OPENING, Kind.REFUSAL): State.CLOSED,
    (State.OPENING, Kind.NOTIFICATION): State.OPENING,
    (State.AUTHENTICATING, Kind.REQUEST): State.AUTHENTICATING,
    (State.AUTHENTICATING, Kind.RESPONSE): State.AUTHENTICATING,
    (State.AUTHENTICATING, Kind.REFUSAL): State.AUTHENTICATING,
    (State.AUTHENTICATING, Kind.NOTIFICATION): State.AUTHENTICATING,
    (State.OPEN, Kind.REQUEST): State.OPEN,
    (State.OPEN, Kind.RESPONSE): State.OPEN,
    (State.OPEN, Kind.REFUSAL): State.OPEN,
    (State.OPEN, Kind.NOTIFICATION): State.OPEN,
    (State.OPEN, Kind.CONFIRM): State.OPEN,
    (State.OPEN, Kind.RLRQ): State.RELEASING,
    (State.RELEASING, Kind.RLRE): State.CLOSED,
    (State.RELEASING, Kind.REFUSAL): State.OPEN,
    (State.RELEASING, Kind.NOTIFICATION): State.RELEASING,
}

_C = Conformance
NOTHING = Conformance(0)

# Request -> the conformance bits that must have been negotiated.
NEEDS: dict[type[Record], Conformance] = {
    services.GetRequestNormal: _C.GET,
    services.GetRequestNext: _C.GET | _C.BLOCK_TRANSFER_WITH_GET_OR_READ,
    services.GetRequestWithList: _C.GET | _C.MULTIPLE_REFERENCES,
    services.SetRequestNormal: _C.SET,
    services.SetRequestWithFirstDatablock: _C.SET | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.SetRequestWithDatablock: _C.SET | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.SetRequestWithList: _C.SET | _C.MULTIPLE_REFERENCES,
    services.SetRequestWithListAndFirstDatablock: _C.SET | _C.MULTIPLE_REFERENCES | _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.ActionRequestNormal: _C.ACTION,
    services.ActionRequestNextPblock: _C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION,
    services.ActionRequestWithList: _C.ACTION | _C.MULTIPLE_REFERENCES,
    services.ActionRequestWithFirstPblock: _C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION,
    services.ActionRequestWithPblock: _C.ACTION | _C.BLOCK_TRANSFER_WITH_ACTION,
    services.ActionRequestWithListAndFirstPblock: _C.ACTION | _C.MULTIPLE_REFERENCES | _C.BLOCK_TRANSFER_WITH_ACTION,
    services.ReadRequest: _C.READ,
    services.WriteRequest: _C.WRITE,
    services.UnconfirmedWriteRequest: _C.UNCONFIRMED_WRITE,
    services.AccessRequest: _C.ACCESS,
}

# What a server sends by itself -> the conformance bit that must have been negotiated where an association is open.
NOTIFICATION_NEEDS: dict[type[Record], Conformance] = {
    services.DataNotification: _C.DATA_NOTIFICATION,
    services.EventNotificationRequest: _C.EVENT_NOTIFICATION,
    services.InformationReportRequest: _C.INFORMATION_REPORT,
}

# Response -> the conformance bits that must have been negotiated: a server may not begin what was not agreed on.
RESPONSE_NEEDS: dict[type[Record], Conformance] = {
    services.GetResponseWithDatablock: _C.BLOCK_TRANSFER_WITH_GET_OR_READ,
    services.SetResponseDatablock: _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.SetResponseLastDatablock: _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.SetResponseLastDatablockWithList: _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
    services.ActionResponseWithPblock: _C.BLOCK_TRANSFER_WITH_ACTION,
    services.ActionResponseNextPblock: _C.BLOCK_TRANSFER_WITH_ACTION,
}

_SERVER_NEEDS = NOTIFICATION_NEEDS | RESPONSE_NEEDS

# A variable of a service with short names -> the conformance bits that it needs.
VARIABLE_NEEDS: dict[type[Record], Conformance] = {
    ParameterizedAccess: _C.PARAMETERIZED_ACCESS,
    BlockNumberAccess: _C.BLOCK_TRANSFER_WITH_GET_OR_READ,
    ReadDataBlockAccess: _C.BLOCK_TRANSFER_WITH_GET_OR_READ,
    WriteDataBlockAccess: _C.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
}

# A specification of ACCESS -> the conformance bits that it needs besides that of the service: one a service that it stands for.
SPECIFICATION_NEEDS: dict[type[Record], Conformance] = {
    AccessGet: _C.GET,
    AccessSet: _C.SET,
    AccessAction: _C.ACTION,
    AccessGetWithSelection: _C.GET | _C.SELECTIVE_ACCESS,
    AccessSetWithSelection: _C.SET | _C.SELECTIVE_ACCESS,
}

_SHORT_NAMES_ONLY = _C.READ | _C.WRITE | _C.UNCONFIRMED_WRITE | _C.INFORMATION_REPORT | _C.PARAMETERIZED_ACCESS
_LOGICAL_NAMES_ONLY = (
    _C.GET
    | _C.SET
    | _C.ACTION
    | _C.ACCESS
    | _C.EVENT_NOTIFICATION
    | _C.SELECTIVE_ACCESS
    | _C.PRIORITY_MANAGEMENT_SUPPORTED
    | _C.BLOCK_TRANSFER_WITH_ACTION
    | _C.ATTRIBUTE_0_SUPPORTED_WITH_GET
    | _C.ATTRIBUTE_0_SUPPORTED_WITH_SET
)


def foreign(context: ApplicationContext) -> Conformance:
    """The conformance bits of the services that a context does not have."""
    return _LOGICAL_NAMES_ONLY if context.short_names else _SHORT_NAMES_ONLY


_ATTRIBUTE_LISTS = (
    services.GetRequestWithList,
    services.SetRequestWithList,
    services.SetRequestWithListAndFirstDatablock,
)

_RESPONSES: tuple[type[Record], ...] = (
    services.GetResponseNormal,
    services.GetResponseWithDatablock,
    services.GetResponseWithList,
    GetResponseRaw,
    GetResponseListRaw,
    services.SetResponseNormal,
    services.SetResponseDatablock,
    services.SetResponseLastDatablock,
    services.SetResponseLastDatablockWithList,
    services.SetResponseWithList,
    services.ActionResponseNormal,
    services.ActionResponseWithPblock,
    services.ActionResponseWithList,
    services.ActionResponseNextPblock,
    services.ReadResponse,
    ReadResponseRaw,
    services.WriteResponse,
    services.AccessResponse,
)

KINDS: dict[type[Record], Kind] = {
    Aarq: Kind.AARQ,
    Aare: Kind.AARE,
    Rlrq: Kind.RLRQ,
    Rlre: Kind.RLRE,
    services.ExceptionResponse: Kind.REFUSAL,
    services.ConfirmedServiceError: Kind.REFUSAL,
    **dict.fromkeys(NOTIFICATION_NEEDS, Kind.NOTIFICATION),
    services.DataNotificationConfirm: Kind.CONFIRM,
    **dict.fromkeys(NEEDS, Kind.REQUEST),
    **dict.fromkeys(_RESPONSES, Kind.RESPONSE),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Negotiated:
    """What the two ends agreed on.  Sizes are octets of one APDU; 0 means that the peer names no limit."""

    conformance: Conformance = NOTHING
    max_send: int = 0
    max_receive: int = 0
    context: ApplicationContext = ApplicationContext.LN
    mechanism: Mechanism = Mechanism.NONE
    overhead: int = 0
    """Octets that protection adds to an APDU, at most."""

    @property
    def plain_send(self) -> int:
        """Octets of the longest APDU that may be sent, before protection; 0 where there is no limit."""
        return max(1, self.max_send - self.overhead) if self.max_send else 0

    @property
    def plain_receive(self) -> int:
        """Octets of the longest APDU that the peer may send, before protection; 0 where there is no limit."""
        return max(1, self.max_receive - self.overhead) if self.max_receive else 0

    def missing(self, request: Record) -> Conformance:
        """The conformance bits that a request, a response or a notification needs and that were not negotiated."""
        if KINDS.get(type(request)) is not Kind.REQUEST:
            return _SERVER_NEEDS.get(type(request), NOTHING) & ~self.conformance
        needed = NEEDS[type(request)]
        if _selects(request):
            needed |= Conformance.SELECTIVE_ACCESS
        if isinstance(request, services.AccessRequest):
            for specification in request.specifications:
                needed |= SPECIFICATION_NEEDS[type(specification)]
        variables: list[Record] = getattr(request, "variables", [])
        for variable in variables:
            needed |= VARIABLE_NEEDS.get(type(variable), NOTHING)
        if len(variables) > 1:
            needed |= Conformance.MULTIPLE_REFERENCES
        return needed & ~self.conformance


def _selects(request: Record) -> bool:
    if getattr(request, "access", None) is not None:
        return True
    if isinstance(request, _ATTRIBUTE_LISTS):
        return any(element.access is not None for element in request.descriptors)
    return False


class Association:
    """Tracks one association.  `send` and `receive` take decoded APDUs; the codec and the line are elsewhere.

    `negotiated` is set by whoever builds or reads the AARE.  `send` raises LocalProtocolError, `receive`
    RemoteProtocolError for what the table or the negotiated conformance forbids; the state is then unchanged.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.state = State.CLOSED
        self.negotiated = Negotiated()

    def send(self, apdu: Record) -> None:
        """Note that this end sends `apdu`."""
        self._step(apdu, self.role, LocalProtocolError)

    def receive(self, apdu: Record) -> None:
        """Note that the peer sent `apdu`."""
        self._step(apdu, self.role.peer, RemoteProtocolError)

    def authenticated(self) -> None:
        """Pass 4 of a high level authentication has been checked: the association is open."""
        if self.state is not State.AUTHENTICATING:
            raise LocalProtocolError(f"nothing to authenticate while {self.state.name.lower()}")
        self.state = State.OPEN

    def opened(self, negotiated: Negotiated) -> None:
        """The association is open without an AARE: pre-established, or asked for without an answer."""
        if self.state not in (State.CLOSED, State.OPENING):
            raise LocalProtocolError(f"the association is {self.state.name.lower()}: it cannot be opened")
        self.state, self.negotiated = State.OPEN, negotiated

    def lower_layer_lost(self) -> None:
        """The layer below is gone, and the association with it."""
        self.state, self.negotiated = State.CLOSED, Negotiated()

    def _step(self, apdu: Record, by: Role, error: type[DlmsError]) -> None:
        kind = KINDS.get(type(apdu))
        target = None if kind is None else TRANSITIONS.get((self.state, kind))
        if kind is None or target is None or SENDERS[kind] is not by:
            raise error(f"{apdu.wire_name()} from the {by.value} while the association is {self.state.name.lower()}")
        checked = self.state is State.OPEN and kind in (Kind.REQUEST, Kind.RESPONSE, Kind.NOTIFICATION)
        missing = self.negotiated.missing(apdu) if checked else None
        if missing:
            raise error(f"{apdu.wire_name()}: {bit_names(missing)} was not negotiated")
        self.state = self._branch(apdu, target)

    def _branch(self, apdu: Record, target: State) -> State:
        if isinstance(apdu, Aare):
            if apdu.result != AssociationResult.ACCEPTED:
                return State.CLOSED
            return State.AUTHENTICATING if self.negotiated.mechanism >= Mechanism.HLS else State.OPEN
        if isinstance(apdu, Rlre) and apdu.reason == ReleaseResponseReason.NOT_FINISHED:
            return State.OPEN
        return target
