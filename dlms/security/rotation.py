"""Changing the keys of a meter so that, whatever is killed in between, the keys that it accepts are in the key file.

For each key the file holds the ACTIVE one and, while it is being changed, the NEXT one with its phase:

| phase    | the meter accepts | begin  | transfer | agree    | agreed | proven | unchanged | activate | cancel |
|----------|-------------------|--------|----------|----------|--------|--------|-----------|----------|--------|
| none     | ACTIVE            | STORED |          | AGREEING |        |        |           |          |        |
| AGREEING | ACTIVE or unknown |        |          | AGREEING | SENT   |        | none      |          |        |
| STORED   | ACTIVE            | STORED | SENT     |          |        |        | STORED    |          | none   |
| SENT     | ACTIVE or NEXT    | SENT   | SENT     |          |        | PROVEN | STORED    |          |        |
| PROVEN   | NEXT              |        |          |          |        | PROVEN |           | none     |        |

An empty cell is refused and changes nothing.  Every step is durable before its method returns, and the wrapped keys
can be had from `transfer` only, which marks them SENT first: nothing is sent that the file does not know.  A key
leaves the file in three places only: `activate` drops ACTIVE once NEXT is proven, `cancel` drops a NEXT that was
never sent or that the meter has been seen not to have, and an ephemeral key that led to nothing goes with `unchanged`
or with the next `agree`.

A live change over an association:

    rotation = Rotation(path, "meter 12")
    rotation.begin(("encryption", "authentication"))         # NEXT is in the file
    for change in rotation.transfer():                       # SENT is in the file
        ...                                                  # ACTION key_transfer(change.key_id, change.wrapped)
    # associate again with rotation.candidates()[0].keys; when that works:
    rotation.proven()
    rotation.activate()

After a crash: `candidates()` gives the key sets that the meter may accept, the likeliest first.  Associate with one
after the other (a pause between two, as meters lock out who guesses); tell `accepted(candidate)` which one worked, then
`activate` what is proven, and `transfer` the rest again or `cancel` it.  That an association with ACTIVE works proves
that the meter has not taken NEXT: a request still on its way has a lower invocation counter and is refused by then.

What proves a key: `encryption` and `authentication` an association that uses them (the authentication key only one
that authenticates).  `broadcast` and `master` are used by no answer of the meter, so the authenticated success of the
key_transfer must do; after a lost answer transfer again, for `master` also with `under_next=True`, as the meter may
unwrap with the new one by now.  The others travel under the master key, which therefore is changed alone.

`secret`, the password or the secret of the authentication, is changed in the same way, but it is told (`tell`) and not
wrapped: over a ciphered association only.  An association that authenticates with it proves it.

A key agreement cannot be made safe by one side: the meter has its new key when its answer may still be lost.
So it is refused unless a master key is known, under which another key can be sent in general-ciphering.

`dlms.live_rotation` takes these steps over associations with the meter.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dlms.errors import LocalProtocolError
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keyfile_json import ROTATED
from dlms.security.keys import KEY_NAMES, KeyLike, KeyMaterialError, KeySet, NextKey, Phase, Secret
from dlms.security.policy import KEY_IDS
from dlms.security.wrap import wrap

ASSOCIATION = ("encryption", "authentication")
"""The keys that an association uses."""
SECRET = "secret"
CHANGED = (*KEY_IDS, SECRET)
"""What a meter can be given anew."""
LONGEST_SECRET = 64
"""Octets of the longest secret: those of the longest challenge, which can take its place in an AARQ."""

TABLE: dict[str, dict[Phase | None, Phase | None]] = {
    "begin": {None: Phase.STORED, Phase.STORED: Phase.STORED, Phase.SENT: Phase.SENT},
    "transfer": {Phase.STORED: Phase.SENT, Phase.SENT: Phase.SENT},
    "agree": {None: Phase.AGREEING, Phase.AGREEING: Phase.AGREEING},
    "agreed": {Phase.AGREEING: Phase.SENT},
    "proven": {Phase.SENT: Phase.PROVEN, Phase.PROVEN: Phase.PROVEN},
    "unchanged": {Phase.AGREEING: None, Phase.STORED: Phase.STORED, Phase.SENT: Phase.STORED},
    "activate": {Phase.PROVEN: None},
    "cancel": {Phase.STORED: None},
}
"""The phase after each step, by the phase before it; what is not here is refused."""


class KeyChange(NamedTuple):
    """One entry of the parameter of key_transfer, or of key_agreement."""

    key_id: int
    wrapped: bytes
    """The new key under the master key; for key_agreement our ephemeral point and its signature."""


class Candidate(NamedTuple):
    """A key set, and the secret of the authentication, that the meter may accept."""

    keys: KeySet
    next: frozenset[str]
    """Which of them are NEXT."""
    secret: Secret | None = None


Step = Callable[[DeviceKeys], DeviceKeys]


def phases(device: DeviceKeys) -> dict[str, Phase]:
    """The keys that are being changed, by name."""
    return {name: one.phase for name, one in device.next.items()}


def moved(device: DeviceKeys, step: str, names: Iterable[str] | None = None) -> DeviceKeys:
    """The device after a step of the table that brings no new key.

    Without `names` it is taken for every key for which it is possible now.  Raises LocalProtocolError when it is not
    possible for one that was named, or for none at all; then nothing has changed.
    """
    chosen = _possible(device, step) if names is None else _known(names)
    targets = {name: _target(device, step, name) for name in chosen}
    kept = {name: one for name, one in device.next.items() if name not in targets}
    kept |= {name: NextKey(device.next[name].key, phase) for name, phase in targets.items() if phase is not None}
    if step == "activate":
        device = _with_next(device, targets)
    return dataclasses.replace(device, next=_ordered(kept))


def begun(device: DeviceKeys, new: Mapping[str, KeyLike | None]) -> DeviceKeys:
    """The device with a NEXT for each name; None makes one.  What has a NEXT already keeps it, so that this resumes.

    Raises LocalProtocolError, KeyMaterialError.
    """
    found = dict(device.next)
    names = _known(new)
    if not names:
        raise LocalProtocolError("no key was named to be changed")
    _check_master_alone({*names, *found})
    if set(names) - {SECRET}:
        device.keys.get("master", device.suite)
    for name in names:
        phase, pending = _target(device, "begin", name), device.next.get(name)
        given = new[name]
        if pending is None:
            key = Secret(_made(device, name) if given is None else given)
            _check_new(dataclasses.replace(device, next=found), name, key)
            assert phase is not None, "a key that begins has a phase"
            found[name] = NextKey(key, phase)
        elif given is not None and Secret(given) != pending.key:
            raise LocalProtocolError(f"another {name} key is on its way already: {pending.phase}")
    return dataclasses.replace(device, next=_ordered(found))


def wrapped(device: DeviceKeys, names: Iterable[str], *, under_next: bool) -> tuple[KeyChange, ...]:
    """The NEXT keys under the master key: the ACTIVE one, or the NEXT one.  Raises KeyMaterialError."""
    master = device.keys.get("master", device.suite)
    if under_next:
        if "master" not in device.next:
            raise LocalProtocolError("the master key is not being changed")
        master = device.next["master"].key
    return tuple(KeyChange(KEY_IDS[name], wrap(master, device.next[name].key, device.suite)) for name in names)


def candidates(device: DeviceKeys, names: Iterable[str] = ASSOCIATION) -> tuple[Candidate, ...]:
    """The key sets that the meter may accept: all NEXT, all ACTIVE, then the mixed ones (one transfer of two failed)."""
    choices = [[(name, is_next) for is_next in _ACCEPTED[phase]] for name, phase in _phases_of(device, names).items()]
    picked = sorted(itertools.product(*choices), key=_mixed)
    return tuple(_candidate(device, {name for name, is_next in pick if is_next}) for pick in picked)


class Rotation:
    """The change of the keys of one device in a key file; each method is one durable step.

    Processes and threads may change other devices of the same file meanwhile.  Raises LocalProtocolError for a step
    that the table refuses, KeyMaterialError for keys, PrivateFileError when the file cannot be read or written.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def __repr__(self) -> str:
        return f"<Rotation of {self.name!r}>"

    def begin(self, names: Iterable[str] | Mapping[str, KeyLike | None]) -> dict[str, Phase]:
        """Makes a NEXT for each key, or takes those given; again: goes on with those there are.  Gives the phases."""
        new = names if isinstance(names, Mapping) else dict.fromkeys(names)
        return phases(self._step(lambda device: begun(device, new)))

    def transfer(self, names: Iterable[str] | None = None, *, under_next: bool = False) -> tuple[KeyChange, ...]:
        """The wrapped keys to send, once the file says that they were sent.  Raises before that, or not at all."""
        changes: tuple[KeyChange, ...] = ()

        def step(device: DeviceKeys) -> DeviceKeys:
            nonlocal changes
            chosen = _possible(device, "transfer") if names is None else _known(names)
            chosen = tuple(name for name in chosen if names is not None or name != SECRET)
            if SECRET in chosen or not chosen:
                raise LocalProtocolError("the secret is told and not wrapped")
            after = moved(device, "transfer", chosen)
            changes = wrapped(after, chosen, under_next=under_next)
            return after

        self._step(step)
        return changes

    def tell(self) -> Secret:
        """The new secret, once the file says that it was sent."""
        return self._step(lambda device: moved(device, "transfer", [SECRET])).next[SECRET].key

    def agree(self, name: str, sign: Callable[[bytes], bytes]) -> KeyChange:
        """Our part of a key agreement, C(2e,0s); the ephemeral key is in the file.  `sign` is the provider's.

        Again where the meter's part was lost: from then on its answer to the earlier one leads to no key.
        """
        from dlms.security import agreement, points  # public key code is loaded by who uses it

        if name not in KEY_IDS:
            raise LocalProtocolError(f"{name!r} is no key that can be agreed on: {', '.join(KEY_IDS)} are")
        part = KeyChange(KEY_IDS[name], b"")

        def step(device: DeviceKeys) -> DeviceKeys:
            nonlocal part
            _target(device, "agree", name)
            _check_master_alone({name, *device.next})
            device.keys.get("master", device.suite)
            own = points.generate(device.suite)
            signed = agreement.signed_ephemeral(own.public_key(), device.suite, sign, part.key_id)
            part = part._replace(wrapped=signed)
            pending = NextKey(points.private_secret(own, device.suite), Phase.AGREEING)
            return dataclasses.replace(device, next=_ordered({**device.next, name: pending}))

        self._step(step)
        return part

    def agreed(
        self, name: str, answer: bytes, verify: Callable[[bytes, bytes], None], own_title: bytes, peer_title: bytes
    ) -> None:
        """The meter's part: its ephemeral point and signature, which `verify(signature, data)` judges.

        NEXT is the agreed key; it counts as SENT.  Raises SecurityError, and then the ephemeral key stays.
        """
        from dlms.security import agreement, points

        def step(device: DeviceKeys) -> DeviceKeys:
            phase = _target(device, "agreed", name)
            assert phase is not None, "an agreed key has a phase"
            own = points.private_key(device.next[name].key, device.suite)
            point = agreement.verified_ephemeral(answer, device.suite, verify, KEY_IDS[name])
            of = agreement.algorithm_of(name, device.suite)
            key = agreement.agree(own, point, device.suite, own_title, peer_title, algorithm=of)
            _check_new(device, name, key)
            return dataclasses.replace(device, next={**device.next, name: NextKey(key, phase)})

        self._step(step)

    def proven(self, names: Iterable[str] | None = None) -> None:
        """The meter has been seen to use NEXT."""
        self._move("proven", names)

    def unchanged(self, names: Iterable[str] | None = None) -> None:
        """The meter has been seen to use ACTIVE, after everything that was sent."""
        self._move("unchanged", names)

    def accepted(self, candidate: Candidate, names: Iterable[str] = ASSOCIATION) -> None:
        """The meter has been seen to use these keys: each is `proven` or `unchanged`."""

        def step(device: DeviceKeys) -> DeviceKeys:
            for name in _phases_of(device, names):
                device = moved(device, "proven" if name in candidate.next else "unchanged", [name])
            return device

        self._step(step)

    def activate(self, names: Iterable[str] | None = None) -> None:
        """NEXT becomes ACTIVE, and the old key is forgotten."""
        self._move("activate", names)

    def cancel(self, names: Iterable[str] | None = None) -> None:
        """Forgets a NEXT that the meter cannot have."""
        self._move("cancel", names)

    def candidates(self, names: Iterable[str] = ASSOCIATION) -> tuple[Candidate, ...]:
        """The key sets that the meter may accept, the likeliest first."""
        return candidates(KeyFile.load(self.path)[self.name], names)

    def phases(self) -> dict[str, Phase]:
        """The keys that are being changed."""
        return phases(KeyFile.load(self.path)[self.name])

    def _move(self, step: str, names: Iterable[str] | None) -> None:
        self._step(lambda device: moved(device, step, names))

    def _step(self, step: Step) -> DeviceKeys:
        with KeyFile.edit(self.path) as file:
            file.devices[self.name] = after = step(file[self.name])
        return after


_ACCEPTED = {
    Phase.AGREEING: (False,),
    Phase.STORED: (False,),
    Phase.SENT: (True, False),
    Phase.PROVEN: (True,),
}
"""Whether the meter may accept NEXT (True), ACTIVE (False): the likelier first."""


def _phases_of(device: DeviceKeys, names: Iterable[str]) -> dict[str, Phase]:
    return {name: device.next[name].phase for name in _known(names) if name in device.next}


def _mixed(pick: tuple[tuple[str, bool], ...]) -> tuple[bool, int]:
    """Sorts the uniform ones to the front, those with more NEXT before those with fewer."""
    taken = [is_next for _, is_next in pick]
    return len(set(taken)) > 1, -sum(taken)


def _candidate(device: DeviceKeys, chosen: set[str]) -> Candidate:
    taken = _with_next(device, chosen)
    return Candidate(taken.keys, frozenset(chosen), taken.secret)


def _with_next(device: DeviceKeys, names: Iterable[str]) -> DeviceKeys:
    """The device with these of its NEXT in the place of the ACTIVE."""
    new = {name: device.next[name].key for name in names}
    secret = new.pop(SECRET, device.secret)
    return dataclasses.replace(device, keys=device.keys.replace(**new), secret=secret)


def _made(device: DeviceKeys, name: str) -> bytes:
    """A new key; a new secret is one that can be typed, short enough for every mechanism."""
    return secrets.token_hex(8).encode() if name == SECRET else secrets.token_bytes(device.suite.key_length)


def _possible(device: DeviceKeys, step: str) -> tuple[str, ...]:
    """The keys for which a step is possible.  Raises LocalProtocolError when there are none."""
    found = tuple(name for name, one in device.next.items() if one.phase in TABLE[step])
    if not found:
        pending = ", ".join(f"{name} is {one.phase}" for name, one in device.next.items()) or "none is being changed"
        raise LocalProtocolError(f"{step} is not possible for any key now: {pending}")
    return found


def _ordered(pending: Mapping[str, NextKey]) -> dict[str, NextKey]:
    return {name: pending[name] for name in ROTATED if name in pending}


def _target(device: DeviceKeys, step: str, name: str) -> Phase | None:
    """The phase that a step leads to.  Raises LocalProtocolError when the table has none."""
    pending = device.next.get(name)
    phase = None if pending is None else pending.phase
    if phase not in TABLE[step]:
        found = "is not being changed" if phase is None else f"is {phase}"
        raise LocalProtocolError(f"the {name} key {found}: {step} is not possible now")
    return TABLE[step][phase]


def _known(names: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in CHANGED:
            raise LocalProtocolError(f"{name!r} is no key that can be changed: {', '.join(CHANGED)} are")
    return chosen


def _check_master_alone(names: set[str]) -> None:
    if "master" in names and len(names - {SECRET}) > 1:
        raise LocalProtocolError("the master key is changed alone: the others travel under it")


def _check_new(device: DeviceKeys, name: str, key: Secret) -> None:
    """A new key has the suite's length and is none that the meter has or is about to have."""
    if name == SECRET:
        if key == device.secret or not 0 < len(key) <= LONGEST_SECRET:
            raise KeyMaterialError(f"the new secret has 1 to {LONGEST_SECRET} octets, and is another one than the old")
        return
    wanted = device.suite.key_length
    if len(key) != wanted:
        raise KeyMaterialError(f"the {name} key has {len(key)} octets; security suite {device.suite.id} wants {wanted}")
    held = [getattr(device.keys, one) for one in KEY_NAMES] + [one.key for one in device.next.values()]
    if key in held:
        raise KeyMaterialError(f"the new {name} key is not new: the device has it already")
