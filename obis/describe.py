"""What a code means: its text, the meaning of each group, the interface classes that fit, and who defines it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from obis import groups
from obis.code import GROUPS, NOT_USED, Obis
from obis.groups import Scope
from obis.rules import Block, FUse
from obis.tables import SOURCES, table
from obis.tables.overlays import remarks

C, D, E, F = 2, 3, 4, 5
"""Where these groups stand in a code."""
ABSTRACT, ELECTRICITY = 0, 1
NO_MEANING = "not used"


class Groups(NamedTuple):
    """The meaning of each of the six groups."""

    a: str
    b: str
    c: str
    d: str
    e: str
    f: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a code means; `str()` is its text."""

    code: Obis
    text: str
    medium: str
    groups: Groups
    scope: Scope
    """Who defines the code."""
    class_ids: tuple[int, ...] = ()
    """Interface classes that the standard names for it; empty where it names none."""
    unit: str = ""
    """Unit of the value, without prefix; empty where it has none or the table does not tell."""
    remarks: tuple[str, ...] = ()
    """What makers, countries and companion standards use the code for: `Kamstrup: breaker`."""

    def __str__(self) -> str:
        return self.text


class Reading(NamedTuple):
    """What a table says of a code: its text without channel and remarks, and groups C to F."""

    text: str
    meanings: tuple[str, ...]
    scope: Scope = Scope.STANDARD
    class_ids: tuple[int, ...] = ()
    unit: str = ""


def describe(code: Obis | bytes | str) -> Description:
    """The meaning of a code, given as Obis, as six bytes or as text in any form that Obis takes.

    Every code gets a description: one that the standard leaves open is called reserved, one that it leaves to others
    is called manufacturer-, utility- or country-specific, with what is known of their use. Raises ObisError when the
    text or the bytes are no code. Blue Book Ed. 13, OBIS; makers and countries: obis.tables.overlays.
    """
    code = code if isinstance(code, Obis) else Obis(code)
    owner, group = groups.scope(code)
    reading = _standard(code) if owner is Scope.STANDARD else _opaque(code, owner, group)
    notes = tuple(f"{who}: {what}" for who, what in remarks(code).items())
    if reading.scope is Scope.RESERVED:
        notes += _as_abstract(code)
    medium, text = groups.medium(code[0]), reading.text
    if code[0] not in (ABSTRACT, ELECTRICITY) and not text.startswith(medium):
        text = f"{medium}, {text}"
    if 0 < code[1] <= groups.CHANNELS:
        text = f"{text}, channel {code[1]}"
    if notes and reading.scope is not Scope.STANDARD:
        text = f"{text} ({'; '.join(notes)})"
    text = text[0].upper() + text[1:]
    meanings = Groups(medium, groups.channel(code[1]), *reading.meanings)
    return Description(code, text, medium, meanings, reading.scope, reading.class_ids, reading.unit, notes)


def _standard(code: Obis) -> Reading:
    """A code that the standard defines, or reserves."""
    a, _, c, d, e, f = code
    medium = table(a)
    for name, family in medium.places.get((c, d), ()):
        label = family.variants.label(e)
        if label is not None:
            meanings = (medium.kind(c), name, label or family.variants.zero or name)
            return _with_f(family.text(name, label), meanings, f, family.f_use, family.class_ids)
    block = medium.block(c, d)
    label = None if block is None else block.label(e)
    if block is None or label is None:
        return _opaque(code, Scope.RESERVED, F)
    processing = block.processing[d]
    text, *known = _value(block, c, d, e, label)
    return _with_f(text, known, f, processing.f_use, processing.class_ids, block.unit(c, d, e))


def _value(block: Block, c: int, d: int, e: int, label: str) -> tuple[str, str, str, str]:
    """The text of a quantity that is processed in some way, and the meanings of C, D and E."""
    quantity, processing = block.quantities[c], block.processing[d]
    said = processing.name if processing.text is None else processing.text
    text = ", ".join(filter(None, (quantity.title(processing.integral), said, label)))
    meaning = NO_MEANING if e == NOT_USED else label or block.variants.zero or ""
    return text, quantity.meaning(), processing.name, meaning


def _with_f(
    text: str, meanings: Iterable[str], f: int, use: FUse, class_ids: tuple[int, ...], unit: str = ""
) -> Reading:
    """The reading of groups C to E, completed by group F."""
    period = groups.billing(f, use)
    if period is None:
        return Reading(f"{text}, reserved F={f}", (*meanings, Scope.RESERVED.value), Scope.RESERVED)
    return Reading(text if f == NOT_USED else f"{text}, {period}", (*meanings, period), Scope.STANDARD, class_ids, unit)


def _opaque(code: Obis, scope: Scope, group: int) -> Reading:
    """A code that leaves the tables, at `group` or before: what they still say, then the bare numbers."""
    text, meanings = _known(code, group)
    first = C + len(meanings) if group >= C else max(group, 1)
    rest = " ".join(f"{GROUPS[n]}={code[n]}" for n in range(first, 6) if n < F or code[n] != NOT_USED)
    unknown = [NO_MEANING if n == F and code[n] == NOT_USED else scope.value for n in range(C + len(meanings), 6)]
    return Reading(f"{text}, {scope} {rest}", (*meanings, *unknown), scope)


def _known(code: Obis, group: int) -> tuple[str, tuple[str, ...]]:
    """A text for the groups before `group` as far as the tables reach, and their meanings from C on."""
    a, _, c, d, e, _ = code
    plain = f"{groups.medium(a)} object" if a in SOURCES else groups.medium(a)
    if c == groups.COUNTRY and group == C:
        return f"object of {groups.country(d)}", (Scope.COUNTRY.value, groups.country(d))
    if group <= C:
        return plain, ()
    medium = table(a)
    block = medium.block(c, d) if group > D else None
    if block is not None:
        label = block.label(e) if group > E else None
        text, *meanings = _value(block, c, d, e, label or "")
        return text, tuple(meanings[: 2 if label is None else 3])
    names = {name for name, _ in medium.places.get((c, d), ())} if group > D else set()
    if len(names) == 1:
        (name,) = names
        return name, (medium.kind(c), name)
    quantity = medium.quantity(c)
    if quantity is not None:
        return quantity.title(), (quantity.meaning(),)
    return (medium.kinds[c], (medium.kinds[c],)) if c in medium.kinds else (plain, ())


def _as_abstract(code: Obis) -> tuple[str, ...]:
    """What a reserved code would mean with A = 0: many meters put abstract objects under their own medium."""
    a, _, c, d, e, _ = code
    if a == ABSTRACT or a not in SOURCES:
        return ()
    named = ((family, name, family.variants.label(e)) for name, family in table(ABSTRACT).places.get((c, d), ()))
    return tuple(f"with A=0: {family.text(name, label)}" for family, name, label in named if label is not None)[:1]
