"""One client's association as the server holds it: the state machine, the envelopes, and what answers its requests.

What a request does to its objects is in `dlms.server.services` and `short_name_services`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dlms.acse import Aarq, Rlre, Rlrq
from dlms.apdu import DataNotificationConfirm, GeneralBlockTransfer, decode_apdu
from dlms.apdu.protected import ENVELOPE_TAGS
from dlms.association import KINDS, Association, Kind, Negotiated, Role, State
from dlms.codec import Record, decode, encode
from dlms.enums import Conformance, ReleaseResponseReason
from dlms.errors import DecodeError, DlmsError, LocalProtocolError, RemoteProtocolError, SecurityError
from dlms.general_block import BlockStream, BlockTransfer, unacknowledged, unconfirmed
from dlms.limits import MAX_APDU
from dlms.security.policy import Protection
from dlms.server.associate import Answer, initiate_response
from dlms.server.broadcast import carry_out
from dlms.server.device import Device, ServerAssociation
from dlms.server.objects import Context
from dlms.server.proof import client_proof, server_proof
from dlms.server.pushes import Pushes
from dlms.server.refusals import Fault, fault_of, refusal
from dlms.server.repeats import Repeats
from dlms.server.services import Services
from dlms.server.short_name_services import ShortNameServices

if TYPE_CHECKING:
    from dlms.ciphering import Opened
    from dlms.security.hls import Handshake
    from dlms.server.push_protection import PushProtection
    from dlms.server.security import ServerCiphering


class Associated:
    """One client's association: the state machine and, once open, the services that answer it.

    `window` is how many general blocks it takes in a row, `wait_s` how long it waits for the next one before it asks; None
    where the layer below loses nothing, and then doubles nothing either.
    """

    def __init__(self, granted: ServerAssociation | None, window: int, wait_s: float | None) -> None:
        self.granted = granted
        self.machine = Association(Role.SERVER)
        self.services: Services | ShortNameServices | None = None
        self.ciphering: ServerCiphering | None = None
        self._handshake: Handshake | None = None
        self._claimed: bytes | None = None
        """The system title that the client says it has, until it has proved itself."""
        self._accepted = self._judged = False
        """Whether an AARQ has been accepted, a proof judged, since that was last told."""
        self.blocks = BlockTransfer(window, wait_s=wait_s)
        self._reliable = wait_s is None
        self.pushes = Pushes(window, self._sealed, reliable=self._reliable)
        self.repeats = None if self._reliable else Repeats()
        self._stream = BlockStream()
        self.ignored = 0
        """Broadcasts that were left."""
        self._frame_capacity: int | None = None
        self._pushed: PushProtection | None = None
        """What protects the confirmations of what was pushed outside of an association."""
        self.proved: bool | None = None
        """How the authentication ended that was judged last, until that is told."""
        self.confirmed: list[int] = []
        """The invoke-ids of notifications that the client has confirmed, until they are told."""

    def waiting(self, aarq: Aarq, now: float) -> Handshake | None:
        """The handshake that another try of the AARQ before goes on with: its client may take the answer to either."""
        unused = self.repeats is not None and self.repeats.unused(now)
        return self._handshake if unused and aarq.calling_ap_title == self._claimed else None

    def accept(self, decision: Answer, device: Device, frame_capacity: int | None) -> None:
        """Make ready what an AARQ was answered with."""
        assert decision.negotiated is not None
        self._accepted = True
        self.ciphering, self._handshake = decision.ciphering, decision.handshake
        self._claimed = decision.client_title
        self.serve(decision.negotiated, device, frame_capacity, decision.user)

    def serve(
        self, negotiated: Negotiated, device: Device, frame_capacity: int | None, user: int | None = None
    ) -> None:
        """Make the services ready that were agreed on."""
        assert self.granted is not None
        self.machine.negotiated = negotiated
        services = ShortNameServices if negotiated.context.short_names else Services
        context = Context(device, self.granted, negotiated, self.ciphering, user)
        self.services = services(context, frame_capacity)
        self._frame_capacity = frame_capacity

    def renew(self, device: Device) -> None:
        """Take the association as the device grants it now: a client may have changed it."""
        if self.granted is not None:
            self.granted = device.associations.get((self.granted.client_sap, self.granted.server_sap))

    def released(self, request: Rlrq) -> Rlre:
        """The answer to a release: no, where its initiate is not protected like that of the AARQ."""
        if self.ciphering is None:
            return Rlre(int(ReleaseResponseReason.NORMAL))
        try:
            self.ciphering.open_initiate(request.user_information)
        except (SecurityError, DecodeError):
            return Rlre(int(ReleaseResponseReason.NOT_FINISHED))
        response = encode(initiate_response(self.machine.negotiated))
        return Rlre(int(ReleaseResponseReason.NORMAL), self.ciphering.close_initiate(response))

    def push(self, apdu: Record, capacity: int, protection: PushProtection | None) -> list[bytes]:
        """The APDUs of a notification, each of at most `capacity` octets.  Raises LocalProtocolError."""
        self._check_push(apdu)
        data, negotiated = self._sealed(apdu, protection), self.machine.negotiated
        limit = min(negotiated.max_send or MAX_APDU, capacity)
        in_blocks = len(data) > limit
        if in_blocks and Conformance.GENERAL_BLOCK_TRANSFER not in negotiated.conformance:
            raise LocalProtocolError(f"{apdu.wire_name()} of {len(data)} octets; the client receives {limit}")
        self.machine.send(apdu)
        return unacknowledged(data, limit) if in_blocks else [data]

    def push_acknowledged(self, apdu: Record, capacity: int, now: float) -> list[bytes]:
        """The first blocks of a notification whose blocks are acknowledged, if it can begin now.  Raises as `push`."""
        self._check_push(apdu)
        negotiated = self.machine.negotiated
        if self.machine.state is not State.OPEN or Conformance.GENERAL_BLOCK_TRANSFER not in negotiated.conformance:
            raise LocalProtocolError("nobody acknowledges blocks: general block transfer was not negotiated")
        self.machine.send(apdu)
        self.pushes.add(apdu, min(negotiated.max_send or MAX_APDU, capacity))
        return self.pushes_behind(now)

    def pushes_behind(self, now: float) -> list[bytes]:
        """What goes out behind an answer: the notification that it has held up."""
        if self.machine.state is not State.OPEN:
            return []
        answering = self.blocks.sending and not (self._reliable and self.blocks.all_sent)
        if answering or self.blocks.receiving:
            self.pushes.hold(now)
            return []
        return self.pushes.begin(now)

    def _check_push(self, apdu: Record) -> None:
        if KINDS.get(type(apdu)) is not Kind.NOTIFICATION:
            raise LocalProtocolError(f"{apdu.wire_name()} is nothing that a server sends by itself")

    def _sealed(self, apdu: Record, protection: PushProtection | None = None) -> bytes:
        data = encode(apdu)
        if protection is not None:
            self._pushed = protection
            return protection.close(data)
        return data if self.ciphering is None else self.ciphering.close_push(data)

    def next_timeout(self) -> float | None:
        """When blocks are due again, None when none are."""
        due = self.blocks.next_timeout(), self.pushes.next_timeout()
        return min((moment for moment in due if moment is not None), default=None)

    def close(self) -> None:
        """Back to nothing."""
        self.machine.lower_layer_lost()
        self.blocks.reset()
        self.pushes.reset()
        self._stream.reset()
        self.services = self.ciphering = self._handshake = None

    def refused(self, data: bytes, fault: Fault, counter: int | None = None) -> list[bytes]:
        """The answer to an APDU that is not served."""
        if fault is Fault.NOT_ALLOWED and self.services is None:
            fault = Fault.NO_ASSOCIATION
        return refusal(data, fault, short_names=self._short_names, counter=counter)

    @property
    def _short_names(self) -> bool:
        return self.granted is not None and self.granted.context.short_names

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Answer one APDU, or one block of a general block transfer.

        Raises DecodeError for what is none, RemoteProtocolError for what is not allowed now.
        """
        if self.machine.state not in (State.OPEN, State.AUTHENTICATING) or self.services is None:
            if self._pushed is not None and data[:1] and data[0] in ENVELOPE_TAGS:
                self._confirmed(decode_apdu(self._pushed.open(data)))
                return []
            if self._pushed is None and data[:1] == DataNotificationConfirm.prefix:
                self._confirmed(decode_apdu(data))
                return []
            raise RemoteProtocolError("there is no association")
        negotiated = self.machine.negotiated
        if (ciphering := self.ciphering) is not None and self._takes_broadcast(ciphering, data):
            self.ignored += not carry_out(data, ciphering, self.machine, self.services, self._frame_capacity)
            return []
        if len(data) > negotiated.max_receive > 0:
            return self.refused(data, Fault.TOO_LONG)
        in_blocks, acknowledgements = data[:1] == GeneralBlockTransfer.prefix, list[bytes]()
        if in_blocks:
            if Conformance.GENERAL_BLOCK_TRANSFER not in negotiated.conformance:
                raise RemoteProtocolError("general block transfer was not negotiated")
            block = decode(GeneralBlockTransfer, data)
            if self.pushes.takes(block):
                return self.pushes.receive(block, now)
            if block.block_data and self.pushes:
                if not self.blocks.receiving:
                    self.pushes.interrupt()
                block = self.pushes.without_crossing(block, self.blocks.sent)
            wanted = not unconfirmed(block)
            acknowledgements = self.blocks.receive(block, now) if wanted else []
            whole = self.blocks.take() if wanted else self._stream.receive(block)
            if whole is None:
                return acknowledgements
            data = whole
        else:
            self.blocks.reset()  # the client has given up on what came or went in blocks
            if data[:1] != DataNotificationConfirm.prefix:
                self.pushes.interrupt()
        if in_blocks and self.repeats is not None:
            reply = self._serve_once(data, self.services, self.repeats, now)
        else:
            reply = self._serve(data, self.services)
        if reply is None:
            return acknowledgements
        limit = negotiated.max_send or MAX_APDU
        if in_blocks or (len(reply) > limit and Conformance.GENERAL_BLOCK_TRANSFER in negotiated.conformance):
            return self.blocks.send(reply, limit, now)
        if len(reply) > limit:
            return self.refused(data, Fault.TOO_LONG)
        return [reply]

    def _takes_broadcast(self, ciphering: ServerCiphering, data: bytes) -> bool:
        """Whether this says that it is a broadcast, where they are taken."""
        taken = self.granted is not None and self.granted.broadcast is not None and self.machine.state is State.OPEN
        return taken and ciphering.is_broadcast(data)

    def remember(self, data: bytes, answers: list[bytes], now: float) -> None:
        """A datagram has been served: it may come again."""
        assert self.repeats is not None
        accepted, self._accepted = self._accepted, False
        if data[:1] == Aarq.prefix:
            if accepted:
                self.repeats.opened(data, answers, now)
        elif data[:1] == Rlrq.prefix:
            if self.services is None:
                self.repeats.released(data, answers, now)
        elif data[:1] != GeneralBlockTransfer.prefix:
            self.repeats.answered(data, answers, now, once=self._took_effect())
        if self.services is None:
            self.repeats.closed()

    def _took_effect(self) -> bool:
        """Whether something was written, called or proved since this was last asked."""
        took, self._judged = self._judged, False
        if self.services is not None:
            reach = self.services.reach
            took, reach.changed = took or reach.changed, False
        return took

    def _serve_once(
        self, data: bytes, services: Services | ShortNameServices, repeats: Repeats, now: float
    ) -> bytes | None:
        """The answer to an APDU that came in blocks, all of which may have come twice."""
        if (known := repeats.again(data, now)) is not None:
            return known[0] if known else None
        answers: list[bytes] = []
        try:
            reply = self._serve(data, services)
            answers += [] if reply is None else [reply]
        finally:
            repeats.answered(data, answers, now, once=self._took_effect())
        return reply

    def _serve(self, data: bytes, services: Services | ShortNameServices) -> bytes | None:
        """The answer to a whole APDU, protected where its request or the policy wants it."""
        authenticating = self.machine.state is State.AUTHENTICATING
        ciphering = self.ciphering  # a failed authentication takes it away, and is answered under it
        if ciphering is None:
            if data[:1] and data[0] in ENVELOPE_TAGS:
                raise RemoteProtocolError("a protected APDU in a context without ciphering")
            return self._answer(data, services, Protection.NONE)
        opened = ciphering.open(data, authenticating=authenticating)
        ciphering.ready(opened, authenticating=authenticating)
        services = self._roomy(ciphering, opened, services)
        reply = self._answered(opened, services)
        if reply is None:
            return None
        return ciphering.close(reply, opened, services.reach.owed, authenticating=authenticating)

    def _roomy(
        self, ciphering: ServerCiphering, opened: Opened, services: Services | ShortNameServices
    ) -> Services | ShortNameServices:
        """Services that leave room for the envelope of the answer, which can be larger than that of the initiate."""
        if not (opened.shape.envelope.describes_key or Protection.SIGNED in opened.protection):
            return services
        negotiated = self.machine.negotiated
        added = ciphering.overhead(negotiated.conformance, opened)
        if added <= negotiated.overhead:
            return services
        context = services.reach.context
        context.negotiated = self.machine.negotiated = dataclasses.replace(negotiated, overhead=added)
        self.services = type(services)(context, self._frame_capacity)
        return self.services

    def _answered(self, opened: Opened, services: Services | ShortNameServices) -> bytes | None:
        """The plain answer; a refusal is one too where its envelope can hold it, so that the client can believe it."""
        try:
            return self._answer(opened.plain, services, opened.protection)
        except DlmsError as fault:
            if not opened.shape.holds_any:
                raise
            return next(iter(self.refused(opened.plain, fault_of(fault))), None)

    def _answer(self, data: bytes, services: Services | ShortNameServices, protection: Protection) -> bytes | None:
        request = decode_apdu(data)
        if KINDS.get(type(request)) is Kind.CONFIRM:
            self._confirmed(request)
            return None
        self.machine.receive(request)
        services.reach.serve(protection)
        if self.machine.state is State.AUTHENTICATING:
            reply: Record | None = self._proved(request)
        else:
            reply = services.answer(request)
        if reply is None:
            return None
        self.machine.send(reply)
        if self._handshake is not None:
            self.proved = self._handshake.authenticated
            if self.proved:
                self.machine.authenticated()
                services.reach.context.came(self._claimed)
                self._handshake = None
            else:  # one try an AARQ: whoever failed has to begin anew
                self.close()
        return services.encode(reply)

    def _confirmed(self, confirm: Record) -> None:
        self.machine.receive(confirm)
        if not isinstance(confirm, DataNotificationConfirm):
            raise RemoteProtocolError(f"{confirm.wire_name()}, where a push could be confirmed")
        self.confirmed.append(confirm.invoke_id)

    def _proved(self, request: Record) -> Record:
        """Passes 3 and 4: the client's proof is judged, then ours given.  Nothing else is served before that."""
        assert self._handshake is not None, "only a handshake makes an association wait"
        self._judged = True
        proof = client_proof(request)
        try:
            self._handshake.check(proof)
            return server_proof(request, self._handshake.prove())
        except (SecurityError, LocalProtocolError):
            return server_proof(request, None)
