"""Changing the keys of a meter over live associations: the steps of `dlms.security.rotation`, from the first to the last.

    dial = dialling("tcp://10.0.0.7:4059", security, client=1)
    LiveRotation(Rotation(path, "meter 12"), dial).change(["encryption", "authentication"])

New keys are in the file before they are sent, and in force in it once an exchange under them has succeeded.  Whatever is
killed, cut or late in between: called again, the same call finds out by associating which keys the meter has, and goes on.
What the meter refuses is taken back once it is seen to use the old keys.

What is proven, and how: `encryption` and `authentication` by an association under them; `master` by one whose messages come
with a key wrapped under it or, where the meter has no such envelope, by a transfer of the key under itself; `broadcast`, which
no answer of a meter uses, by the authenticated success alone.

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
from dlms.enums import Mechanism
from dlms.errors import AccessError, DlmsError, LinkError, LocalProtocolError, OutcomeUnknown, RemoteProtocolError
from dlms.ic import SecuritySetupV1
from dlms.security.keys import KeyLike, KeySet, Phase
from dlms.security.policy import KEY_IDS, Envelope
from dlms.security.providers import MemoryKeyProvider
from dlms.security.rotation import ASSOCIATION, Candidate, KeyChange, Rotation

DEFAULT_SETUP = SecuritySetupV1("0.0.43.0.0.255")
Dial = Callable[[KeySet, Envelope | None], Client]
"""Opens a protected association with these keys, in this envelope or, for None, in the usual one."""

_UNDER_GLOBAL = (Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED)
_GOING = (Phase.STORED, Phase.SENT)


def dialling(url: str, security: Security, **options: Any) -> Dial:
    """Associations as `connect(url, security=security, **options)` opens them, with other symmetric keys.

    Raises LocalProtocolError for associations that prove nothing of the keys: plain ones, and those under other keys.
    """
    provider = security.provider
    if not isinstance(provider, MemoryKeyProvider):
        raise LocalProtocolError("keys are changed that are in a key file: the provider must be its")
    if not security.protection or security.broadcast or security.envelope not in _UNDER_GLOBAL:
        raise LocalProtocolError("keys are changed in a ciphered context under the global unicast key")

    def dial(keys: KeySet, envelope: Envelope | None) -> Client:
        used = security.envelope if envelope is None else envelope
        if used.describes_key and security.peer_title is None:
            raise LocalProtocolError(f"an envelope with a {used} key names the meter: say its system title")
        dedicated = security.dedicated and not used.describes_key
        changed = dataclasses.replace(security, provider=provider.with_keys(keys), envelope=used, dedicated=dedicated)
        return connect(url, security=changed, **options)

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
        if "master" in new and len(new) > 1:  # the others travel under it
            master = new.pop("master")
            self.change(new)
            new = {"master": master}
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
        if any(self.rotation.phases().get(name) is Phase.SENT for name in ASSOCIATION):
            self._find_out()

    def _find_out(self, *, active_first: bool = False) -> None:
        """Tries the key sets that the meter may accept; where none opens it, the way under the master key."""
        found: Sequence[Candidate] = self.rotation.candidates()
        if active_first:
            found = sorted(found, key=lambda candidate: bool(candidate.next))
        faults: list[DlmsError] = []
        for candidate in found:
            try:
                self._exchange(candidate.keys)
            except DlmsError as fault:
                faults.append(fault)
                self._pause()
            else:
                return self.rotation.accepted(candidate)
        if self.rotation.phases().get("encryption") is not Phase.SENT or not self._sent_under_master():
            raise _unopened(faults)

    def _sent_under_master(self) -> bool:
        """The new encryption key is sent where the meter has neither it nor the old one; whether that way was open."""
        try:
            with self._dialled(self._keys(), Envelope.WRAPPED) as client:
                self._call(client, self.rotation.transfer(["encryption"]))
            self._exchange(self.rotation.candidates()[0].keys)
        except DlmsError:
            return False
        self.rotation.accepted(self.rotation.candidates()[0])
        return True

    def _exchange(self, keys: KeySet, envelope: Envelope | None = None) -> None:
        """An association under these keys, and a request in it.  Raises DlmsError."""
        with self._dialled(keys, envelope) as client, contextlib.suppress(AccessError):
            client.get(self.setup.logical_name)

    def _dialled(self, keys: KeySet, envelope: Envelope | None = None) -> Client:
        client = self._dial(keys, envelope)
        if client.connection.channel is None:
            client.close()
            raise LocalProtocolError("the association is not ciphered: it proves no keys")
        return client

    def _keys(self) -> KeySet:
        """Those that the meter is known to accept."""
        return self.rotation.candidates()[0].keys

    # going on

    def _complete(self) -> None:
        """What is stored or sent is sent, proven and put in force."""
        going = [name for name, phase in self.rotation.phases().items() if phase in _GOING]
        pair = [name for name in going if name in ASSOCIATION]
        if pair:
            self._transfer_pair(pair)
        for name in going:
            if name not in ASSOCIATION:
                self._transfer_alone(name)
        if self.rotation.phases():
            self.rotation.activate()

    def _transfer_pair(self, names: list[str]) -> None:
        """The keys of the association: all in one call, and proven by another association."""
        refusal = self._transfer(names)
        if refusal is None:
            self._find_out()
        elif isinstance(refusal, AccessError):
            self._find_out(active_first=True)
        else:
            self._pause()
            self._find_out()
        kept = [name for name in names if self.rotation.phases()[name] is Phase.STORED]
        if not kept:
            return
        if refusal is None:
            raise RemoteProtocolError(f"the meter took the new {' and '.join(kept)} key, and goes on with the old")
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

    def _reached(self, names: Sequence[str]) -> Client:
        """An association in which keys can be sent; for the encryption key also one that does without it.

        A key agreement that was given up can reach the meter late, and leave it with a key that nobody else has.
        """
        try:
            return self._dialled(self._keys())
        except DlmsError:
            if "encryption" not in names:
                raise
            self._pause()
            with contextlib.suppress(DlmsError):
                return self._dialled(self._keys(), Envelope.WRAPPED)
            raise

    def _call(self, client: Client, changes: tuple[KeyChange, ...]) -> None:
        client.call(self.setup.key_transfer, [(one.key_id, one.wrapped) for one in changes])

    def _transfer_alone(self, name: str) -> None:
        """The broadcast key or the master key, which no association proves."""
        again = self.rotation.phases()[name] is Phase.SENT
        refusal = self._transfer([name])
        if isinstance(refusal, AccessError) and again and name == "master":
            refusal = self._transfer([name], under_next=True)  # the answer to the first was lost: it unwraps with it
        elif isinstance(refusal, AccessError) and not again:
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
        (candidate,) = self.rotation.candidates(["master"])[:1]
        keys = self._keys().replace(master=candidate.keys.master)
        try:
            self._exchange(keys, Envelope.WRAPPED)
        except DlmsError:
            return False
        return True

    # key agreement

    def _agree(self, name: str) -> None:
        """Our part, the meter's part, and the key of both; afterwards it counts as sent.  Then it is proven."""
        envelope = Envelope.WRAPPED if name == "encryption" else None
        with self._dialled(self._keys(), envelope) as client:
            if name == "encryption" and client.connection.request.mechanism is Mechanism.HLS_GMAC:
                raise LocalProtocolError(
                    "HLS GMAC proves the very key that is agreed on: no way leads back when the answer is lost"
                )
            channel = client.connection.channel
            assert channel is not None, "it was dialled as a ciphered one"
            part = self.rotation.agree(name, channel.provider.sign)
            try:
                answer = client.call(self.setup.key_agreement, [(part.key_id, part.wrapped)])
            except AccessError:
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
            self._exchange(self._keys())
        self.rotation.unchanged([name])

    def _agree_again(self, name: str) -> None:
        """The answer was lost.  A meter that still has the old key is left at that; another agrees once more."""
        if name in ASSOCIATION:
            try:
                self._exchange(self._keys())
            except DlmsError:
                self._pause()
            else:
                return self.rotation.unchanged([name])
        self._agree(name)


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
