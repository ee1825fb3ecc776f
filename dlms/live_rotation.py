"""Changing the keys of a meter over live associations: the steps of `dlms.security.rotation`, from the first to the last.

    dial = dialling("tcp://10.0.0.7:4059", security, client=1)
    LiveRotation(Rotation(path, "meter 12"), dial).change(["encryption", "authentication"])

New keys are in the file before they are sent, and in force in it once an exchange under them has succeeded.  Whatever is
killed, cut or late in between: called again, the same call finds out by associating which keys the meter has, and goes on.
What the meter refuses is taken back once it is seen to use the old keys.

What is proven, and how: `encryption` and `authentication` by an association under them; `secret` by one that authenticates
with it; `master` by one whose messages come with a key wrapped under it or, where the meter has no such envelope, by a transfer
of the key under itself; `broadcast`, which no answer of a meter uses, by the authenticated success alone.

The answer to a key agreement may be lost when the meter has its new key already.  Then `broadcast` and `master` are agreed
on again under the keys that hold.  For `encryption` the agreement itself goes through messages under the master key, in an
association that proves itself by other means than this key: so the way back is known to lead to the meter before it is
needed.  For `authentication`, which every such message needs, there is none: it is transferred and not agreed on.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dlms.ciphering import Security
from dlms.client import Client, connect
from dlms.enums import AccessResult, Mechanism
from dlms.errors import AccessError, DlmsError, LinkError, LocalProtocolError, OutcomeUnknown, RemoteProtocolError
from dlms.ic import AssociationSn, SecuritySetupV1
from dlms.operations.objects import CURRENT_ASSOCIATION, DEFAULT_SETUP
from dlms.security.keys import KeyLike, Phase, Secret
from dlms.security.policy import KEY_IDS, Envelope
from dlms.security.providers import MemoryKeyProvider
from dlms.security.rotation import ASSOCIATION, SECRET, Candidate, KeyChange, Rotation

Dial = Callable[[Candidate, Envelope | None], Client]
"""Opens a protected association with these keys and secret, in this envelope or, for None, in the usual one."""

_UNDER_GLOBAL = (Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED)
_PROVEN_BY_ASSOCIATION = (*ASSOCIATION, SECRET)
_GOING = (Phase.STORED, Phase.SENT)


def dialling(url: str, security: Security, **options: Any) -> Dial:
    """Associations as `connect(url, security=security, **options)` opens them, with other symmetric keys and secrets.

    Raises as `opening_with`.
    """

    def opened(changed: Security, secret: Secret | None) -> Client:
        password = {} if secret is None else {"password": secret.reveal()}
        return connect(url, security=changed, **{**options, **password})

    return opening_with(security, opened)


def opening_with(security: Security, opened: Callable[[Security, Secret | None], Client]) -> Dial:
    """Associations that `opened` opens, with other symmetric keys than those of `security`, and a secret.

    Raises LocalProtocolError for associations that prove nothing of the keys: plain ones, and those under other keys.
    """
    provider = security.provider
    if not isinstance(provider, MemoryKeyProvider):
        raise LocalProtocolError("keys are changed that are in a key file: the provider must be its")
    if not security.protection or security.broadcast or security.envelope not in _UNDER_GLOBAL:
        raise LocalProtocolError("keys are changed in a ciphered context under the global unicast key")

    def dial(held: Candidate, envelope: Envelope | None) -> Client:
        used = security.envelope if envelope is None else envelope
        if used.describes_key and security.peer_title is None:
            raise LocalProtocolError(f"an envelope with a {used} key names the meter: say its system title")
        keys, dedicated = provider.with_keys(held.keys), security.dedicated and not used.describes_key
        changed = dataclasses.replace(security, provider=keys, envelope=used, dedicated=dedicated)
        return opened(changed, held.secret)

    return dial


class LiveRotation:
    """The change of the keys of one meter; `pause` is called between two tries with different keys.

    Methods raise AccessError when the meter refuses, OutcomeUnknown or LinkError when the line is lost, and
    RemoteProtocolError when the meter opens under no key of the file.  What was begun is in the file then: see
    `rotation.phases()`, and call again.
    """

    def __init__(
        self,
        rotation: Rotation,
        dial: Dial,
        setup: SecuritySetupV1 = DEFAULT_SETUP,
        *,
        pause: Callable[[], object] = lambda: None,
    ) -> None:
        self.rotation, self.setup = rotation, setup
        self._dial, self._pause = dial, pause

    def change(self, names: Iterable[str] | Mapping[str, KeyLike | None]) -> None:
        """New keys, made here or given, travel under the master key, are proven and put in force.

        What an earlier call has left is finished first; a key that it was about is not changed once more.
        """
        new = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names)
        for alone in ("master", SECRET):  # the others travel under the one, and are not proven with the other
            if alone in new and len(new) > 1:
                other = {alone: new.pop(alone)}
                self.change(new)
                new = other
        self._settle()
        pending = self.rotation.phases()
        if pending.keys() <= new.keys():
            new = {name: key for name, key in new.items() if pending.get(name) is not Phase.PROVEN}
        else:
            self._complete()
            new = {name: key for name, key in new.items() if name not in pending}
        if new:
            self.rotation.begin(new)
        self._complete()

    def agree(self, name: str) -> None:
        """A new key is agreed on, C(2e,0s), proven and put in force.

        What an earlier call has left is finished first; a key that it was about is not changed once more.
        """
        if name == "authentication":
            raise LocalProtocolError("no way leads back when the answer is lost: transfer the authentication key")
        self._settle()
        pending = self.rotation.phases()
        self._complete()
        if name not in pending:
            self._agree(name)
            self._complete()

    def finish(self) -> None:
        """What an earlier call has left is found out, and brought to its end."""
        self._settle()
        self._complete()

    # finding out

    def _settle(self) -> None:
        """Afterwards it is known which keys open the meter."""
        agreeing = [name for name, phase in self.rotation.phases().items() if phase is Phase.AGREEING]
        for name in agreeing:
            self._agree_again(name)
        if any(self.rotation.phases().get(name) is Phase.SENT for name in _PROVEN_BY_ASSOCIATION):
            self._find_out()

    def _find_out(self, *, active_first: bool = False) -> None:
        """Tries the key sets that the meter may accept; where none opens it, the way under the master key."""
        found: Sequence[Candidate] = self._candidates()
        if active_first:
            found = sorted(found, key=lambda candidate: bool(candidate.next))
        faults: list[DlmsError] = []
        for candidate in found:
            try:
                self._exchange(candidate)
            except DlmsError as fault:
                faults.append(fault)
                self._pause()
            else:
                return self.rotation.accepted(candidate, _PROVEN_BY_ASSOCIATION)
        if self.rotation.phases().get("encryption") is not Phase.SENT or not self._sent_under_master():
            raise _unopened(faults)

    def _sent_under_master(self) -> bool:
        """The new encryption key is sent where the meter has neither it nor the old one; whether that way was open."""
        try:
            with self._dialled(self._known(), Envelope.WRAPPED) as client:
                self._call(client, self.rotation.transfer(["encryption"]))
            self._exchange(self._known())
        except DlmsError:
            return False
        self.rotation.accepted(self._known(), _PROVEN_BY_ASSOCIATION)
        return True

    def _exchange(self, held: Candidate, envelope: Envelope | None = None) -> None:
        """An association under these keys, and a request in it.  Raises DlmsError."""
        with self._dialled(held, envelope) as client, contextlib.suppress(AccessError):
            client.get(self.setup.logical_name)

    def _dialled(self, held: Candidate, envelope: Envelope | None = None) -> Client:
        client = self._dial(held, envelope)
        if client.connection.channel is None:
            client.close()
            raise LocalProtocolError("the association is not ciphered: it proves no keys")
        return client

    def _candidates(self) -> tuple[Candidate, ...]:
        return self.rotation.candidates(_PROVEN_BY_ASSOCIATION)

    def _known(self) -> Candidate:
        """What the meter is known to accept, or most likely accepts."""
        return self._candidates()[0]

    # going on

    def _complete(self) -> None:
        """What is stored or sent is sent, proven and put in force."""
        going = [name for name, phase in self.rotation.phases().items() if phase in _GOING]
        pair = [name for name in going if name in ASSOCIATION]
        if pair:
            self._proven_by_association(pair, partial(self._transfer, pair))
        if SECRET in going:
            self._proven_by_association([SECRET], self._tell)
        for name in going:
            if name not in _PROVEN_BY_ASSOCIATION:
                self._transfer_alone(name)
        if self.rotation.phases():
            self.rotation.activate()

    def _proven_by_association(self, names: list[str], send: Callable[[], DlmsError | None]) -> None:
        """What the association uses: sent in one call, and proven by another association."""
        refusal = send()
        if isinstance(refusal, OutcomeUnknown | LinkError):
            self._pause()
        self._find_out(active_first=isinstance(refusal, AccessError))
        kept = [name for name in names if self.rotation.phases()[name] is Phase.STORED]
        if not kept:
            return
        if refusal is None:
            raise RemoteProtocolError(f"the meter took the new {' and '.join(kept)}, and goes on with the old")
        if isinstance(refusal, AccessError):
            self.rotation.cancel(kept)
        raise refusal

    def _transfer(self, names: list[str], *, under_next: bool = False) -> DlmsError | None:
        """Why it failed, None when the meter says that it took the keys.  Raises for what was not sent."""
        with self._reached(names) as client:
            changes = self.rotation.transfer(names, under_next=under_next)
            try:
                self._call(client, changes)
            except DlmsError as refusal:
                return refusal
        return None

    def _tell(self) -> DlmsError | None:
        """The same for the secret, which is told to the association that it is of."""
        with self._dialled(self._known()) as client:
            asked = client.connection.request
            if asked.mechanism is Mechanism.NONE or asked.mechanism.with_keys:
                if self.rotation.phases()[SECRET] is Phase.STORED:
                    self.rotation.cancel([SECRET])
                raise LocalProtocolError("an association without a password or a secret proves none")
            secret = self.rotation.tell().reveal()
            try:
                _tell_secret(client, secret)
            except DlmsError as refusal:
                return refusal
        return None

    def _reached(self, names: Sequence[str]) -> Client:
        """An association in which keys can be sent; for the encryption key also one that does without it.

        A key agreement that was given up can reach the meter late, and leave it with a key that nobody else has.
        """
        try:
            return self._dialled(self._known())
        except DlmsError:
            if "encryption" not in names:
                raise
            self._pause()
            with contextlib.suppress(DlmsError):
                return self._dialled(self._known(), Envelope.WRAPPED)
            raise

    def _call(self, client: Client, changes: tuple[KeyChange, ...]) -> None:
        client.call(self.setup.key_transfer, [(one.key_id, one.wrapped) for one in changes])

    def _transfer_alone(self, name: str) -> None:
        """The broadcast key or the master key, which no association proves."""
        again = self.rotation.phases()[name] is Phase.SENT
        refusal = self._transfer([name])
        if isinstance(refusal, AccessError) and again and name == "master":
            refusal = self._transfer([name], under_next=True)  # the answer to the first was lost: it unwraps with it
        elif isinstance(refusal, AccessError) and not again and _unchanged(refusal):
            self.rotation.unchanged([name])
            self.rotation.cancel([name])
        if refusal is not None:
            raise refusal
        self._prove_alone(name)

    def _prove_alone(self, name: str) -> None:
        if name == "master" and not self._opens_wrapped():
            refusal = self._transfer([name], under_next=True)
            if refusal is not None:
                raise refusal
        self.rotation.proven([name])

    def _opens_wrapped(self) -> bool:
        """Whether the meter takes a message with a key wrapped under the new master key."""
        new, held = self.rotation.candidates(["master"])[0], self._known()
        held = held._replace(keys=held.keys.replace(master=new.keys.master))
        try:
            self._exchange(held, Envelope.WRAPPED)
        except DlmsError:
            return False
        return True

    # key agreement

    def _agree(self, name: str) -> None:
        """Our part, the meter's part, and the key of both; afterwards it counts as sent.  Then it is proven."""
        envelope = Envelope.WRAPPED if name == "encryption" else None
        with self._dialled(self._known(), envelope) as client:
            if name == "encryption" and client.connection.request.mechanism is Mechanism.HLS_GMAC:
                raise LocalProtocolError(
                    "HLS GMAC proves the very key that is agreed on: no way leads back when the answer is lost"
                )
            channel = client.connection.channel
            assert channel is not None, "it was dialled as a ciphered one"
            part = self.rotation.agree(name, channel.provider.sign)
            try:
                answer = client.call(self.setup.key_agreement, [(part.key_id, part.wrapped)])
            except AccessError as refusal:
                if _unchanged(refusal):
                    self._take_back(name)
                raise
            verify = partial(channel.provider.verify, channel.peer_title)
            data = _part_of(answer, KEY_IDS[name])
            self.rotation.agreed(name, data, verify, channel.own_title, channel.peer_title)
        if name in ASSOCIATION:
            self._find_out()
        elif name == "broadcast" or self._opens_wrapped():
            self.rotation.proven([name])

    def _take_back(self, name: str) -> None:
        """The meter has refused to agree: it has the key that it had."""
        if name in ASSOCIATION:
            self._exchange(self._known())
        self.rotation.unchanged([name])

    def _agree_again(self, name: str) -> None:
        """The answer was lost.  A meter that still has the old key is left at that; another agrees once more."""
        if name in ASSOCIATION:
            try:
                self._exchange(self._known())
            except DlmsError:
                self._pause()
            else:
                return self.rotation.unchanged([name])
        self._agree(name)


def _tell_secret(client: Client, secret: bytes) -> None:
    """Changes the secret of the association that is open."""
    asked = client.connection.request
    low = asked.mechanism is Mechanism.LLS
    if asked.context.short_names:
        of = AssociationSn(CURRENT_ASSOCIATION.instance)
        client.call(of.change_lls_secret if low else of.change_hls_secret, secret)
    elif low:
        client.set(CURRENT_ASSOCIATION.secret, secret)
    else:
        client.call(CURRENT_ASSOCIATION.change_hls_secret, secret)


def _unchanged(refusal: AccessError) -> bool:
    """Whether the meter has refused as one that changed nothing; one that failed may have kept the key before."""
    return refusal.result not in (AccessResult.HARDWARE_FAULT, AccessResult.TEMPORARY_FAILURE)


def _part_of(answer: Any, key_id: int) -> bytes:
    """The meter's part of the agreement on one key.  Raises OutcomeUnknown: it may have a new key."""
    match answer:
        case [(int(given), bytes(data))] if given == key_id:
            return data
    raise OutcomeUnknown("the meter did not answer with its part of the key agreement")


def _unopened(faults: Sequence[DlmsError]) -> DlmsError:
    """Why no key set opens the meter."""
    if all(isinstance(fault, LinkError) for fault in faults):
        return faults[0]
    error = RemoteProtocolError(f"none of {len(faults)} key sets opens the meter: {faults[0]}")
    error.__cause__ = faults[0]
    return error
