"""The search over everything that the tables name, by words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from obis import groups
from obis.code import NOT_USED, Obis
from obis.describe import Description, describe
from obis.rules import ONE, Block, Quantity, Series, Variants
from obis.tables import SOURCES, table
from obis.tables.overlays import OWNERS, typical
from obis.tables.words import SYNONYMS

LIMIT = 20
LONGEST_QUERY = 400
"""Characters of a query that are looked at."""

OVERLAY_RANK = 6
PARAMETER_RANK = 5
"""Constants and settings of a medium come after its values."""
FEW = 30
"""So many named values of E are listed under any processing; more of them only under the usual ones."""
USUAL = 2

MISSING, WEAK, FILLED = 100, 2, 1
"""What a row pays for a word that it lacks, for one that only begins like it, for a number that fits a series."""

_WORD = re.compile(r"[^\W_]+(?:[+-](?![^\W_]))?")
_ORDINAL = re.compile(r"([0-9]{1,3})(?:st|nd|rd|th)", re.ASCII)
_TARIFF = re.compile(r"t([0-9]{1,2})", re.ASCII)
CHANNEL = "channel"


class Row(NamedTuple):
    """Something that can be found."""

    code: tuple[int, ...]
    cost: int
    """Rank of its table and processing, and one for each word: plain things come first."""
    series: tuple[Series, ...]


Words = frozenset[str]
Places = dict[str, list[list[int]]]
"""For each word, lists of the rows that it leads to."""


class Index(NamedTuple):
    """All rows, and the numbers of those that a word leads to."""

    rows: list[Row]
    said: Places
    """By the words of their text."""
    beside: Places
    """By the words round it: the medium, the kind of object, the unit."""
    numbered: Places
    """By the words of their series."""


class Query(NamedTuple):
    """What somebody looks for."""

    words: tuple[str, ...]
    series: dict[str, int]
    """Numbers that follow the word of a series: `tariff 2`."""
    numbers: tuple[int, ...]
    """Numbers that stand by themselves."""
    channel: int | None


def find(words: str | Iterable[str], limit: int = LIMIT) -> list[Description]:
    """The codes that some words describe, the best first, at most `limit` of them: `find("reactive power l2")`.

    Words may be cut short, may be symbols (`a+`, `thd`, `l1`), and `tariff 2`, `harmonic 5`, `channel 1` set the group
    they belong to. A row that has all of the words comes before one that has but some; less than half of them is
    nothing. Only a query with at least one word that is not a number finds anything.
    """
    query = _understood(words if isinstance(words, str) else " ".join(words))
    if not query.words and not query.series:
        return []
    index = _index()
    saying = {value: _rows(index.said, [str(value)]) for value in query.numbers}
    costs: dict[Obis, int] = {}
    for number, cost in _candidates(query, index).items():
        made = _made(query, index.rows[number], {value for value in saying if number in saying[value]})
        if made is not None:
            code, extra = made
            costs[code] = min(cost + extra, costs.get(code, cost + extra))
    best = sorted(costs, key=lambda code: (costs[code], code))
    return [describe(code) for code in best[: max(0, limit)]]


def _understood(text: str) -> Query:
    """A query in words, with the numbers that belong to some of them set apart."""
    tokens: list[str] = []
    for token in _WORD.findall(text[:LONGEST_QUERY].lower()):
        tariff, ordinal = _TARIFF.fullmatch(token), _ORDINAL.fullmatch(token)
        tokens += ["tariff", tariff[1]] if tariff else [ordinal[1]] if ordinal else [token]
    words: list[str] = []
    series: dict[str, int] = {}
    numbers: list[int] = []
    names = _series_words()
    waiting = iter(range(len(tokens)))
    for n in waiting:
        token = SYNONYMS["rate"][0] if tokens[n] == "rate" else tokens[n]
        following = tokens[n + 1] if n + 1 < len(tokens) else ""
        if token in names and following.isdecimal():
            series[token] = int(following)
            next(waiting)
        elif token == "harmonic" and numbers:
            series[token] = numbers.pop()
        elif token.isdecimal():
            numbers.append(int(token))
        else:
            words.append(token)
    channel = series.pop(CHANNEL, None)
    return Query(tuple(words), series, tuple(numbers), channel)


def _candidates(query: Query, index: Index) -> dict[int, int]:
    """The rows that have most of the words, and what each pays so far."""
    found: list[tuple[set[int], set[int]]] = [_matching(word, index) for word in query.words]
    found += [(_rows(index.numbered, [word]), set()) for word in query.series]
    hits: Counter[int] = Counter()
    for exact, weak in found:
        hits.update(exact | weak)
    if not hits:
        return {}
    most = max(hits.values())
    if 2 * most < len(found):
        return {}
    chosen = {n: MISSING * (len(found) - most) + index.rows[n].cost for n, count in hits.items() if count == most}
    for exact, weak in found:
        for n in chosen.keys() & (weak - exact):
            chosen[n] += WEAK
    return chosen


def _matching(word: str, index: Index) -> tuple[set[int], set[int]]:
    """The rows that say a word or one that stands for the same, and those to which it leads in a weaker way."""
    names = SYNONYMS.get(word, (word,))
    weak = _rows(index.beside, names)
    stem = word[:-1] if len(word) > 3 and word.endswith("s") else word
    if len(stem) > 1:
        weak |= _rows(index.said, [name for name in index.said if name.startswith(stem)])
    return _rows(index.said, names), weak


def _made(query: Query, row: Row, said: set[int]) -> tuple[Obis, int] | None:
    """The code of a row with the numbers of the query put in, and what they cost; None where one does not fit.

    `said` are the numbers that the row's text has anyway.
    """
    a, b, c, d, e, f = row.code
    extra = 0
    for word, value in query.series.items():
        place = _place(row.series, value, word)
        if place is None:
            return None
        e = place
    for value in query.numbers:
        if value in said:
            continue
        place = _place(row.series, value)
        e, extra = (e, extra + MISSING) if place is None else (place, extra + FILLED)
    if query.channel is not None:
        if not 0 <= query.channel <= groups.CHANNELS:
            return None
        b = query.channel
    return Obis(a, b, c, d, e, f), extra


def _place(series: Iterable[Series], value: int, word: str | None = None) -> int | None:
    """The value of group E that a series counts as `value`."""
    for one in series:
        if word in (None, one.word) and value - one.offset in one.values:
            return value - one.offset
    return None


@cache
def _series_words() -> frozenset[str]:
    """The words that a number may follow."""
    return frozenset({CHANNEL, *_index().numbered})


class Builder:
    """Collects rows. Words are kept with the sets that they came in, which thousands of rows share."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.said: dict[Words, list[int]] = defaultdict(list)
        self.beside: dict[Words, list[int]] = defaultdict(list)
        self.numbered: dict[Words, list[int]] = defaultdict(list)

    def index(self) -> Index:
        """All that was added, by the single word."""
        return Index(self.rows, _by_word(self.said), _by_word(self.beside), _by_word(self.numbered))

    def add_object(
        self, code: tuple[int, ...], said: Words, beside: Words, rank: int, variants: Variants = ONE
    ) -> None:
        """One row: the words that its text says, and those that find it although it does not say them."""
        number = len(self.rows)
        self.rows.append(Row(code, rank + len(said), variants.series))
        self.said[said].append(number)
        self.beside[beside].append(number)
        self.numbered[_series(variants)].append(number)

    def add_medium(self, a: int) -> None:
        """All that the table of one medium has."""
        medium, start = table(a), len(self.rows)
        for (c, d), families in medium.places.items():
            rank = medium.rank + (PARAMETER_RANK if a and not c else 0)
            for name, family in families:
                for e in family.variants.examples():
                    said = _words(family.text(name, family.variants.label(e) or ""))
                    self.add_object((a, 0, c, d, e, NOT_USED), said, _words(medium.kind(c)), rank, family.variants)
        done: set[tuple[int, int]] = set()
        for block in medium.blocks:
            self.add_block(a, block, done, medium.rank)
        self.beside[_words(groups.medium(a))] += range(start, len(self.rows))

    def add_block(self, a: int, block: Block, done: set[tuple[int, int]], rank: int) -> None:
        """The quantities, each with every processing that an earlier block has not taken."""
        rows, start, series = self.rows, len(self.rows), block.variants.series
        labels = [(e, _words(block.variants.label(e) or "")) for e in block.variants.examples()]
        usual = [(e, label) for e, label in labels if e == 0]
        titles = {way: {c: _named(quantity, way) for c, quantity in block.quantities.items()} for way in (False, True)}
        for d, processing in block.processing.items():
            first, integral = len(rows), processing.integral
            listed = labels if processing.rank <= USUAL or len(labels) <= FEW else usual
            for c, quantity in block.quantities.items():
                if (c, d) in done or (integral and not quantity.integral):
                    continue
                done.add((c, d))
                title, unit, length = titles[integral][c]
                numbers = range(len(rows), len(rows) + len(listed))
                cost = rank + processing.rank + quantity.rank + length
                self.said[title] += numbers
                self.beside[unit] += numbers
                for number, (e, label) in zip(numbers, listed, strict=True):
                    self.said[label].append(number)
                    rows.append(Row((a, 0, c, d, e, NOT_USED), cost + len(label), series))
            text = processing.name if processing.text is None else processing.text
            self.said[_words(text)] += range(first, len(rows))
            self.beside[_words(processing.name)] += range(first, len(rows))
        self.numbered[_series(block.variants)] += range(start, len(rows))


def _named(quantity: Quantity, integral: bool) -> tuple[Words, Words, int]:
    """The words of a quantity's title, those of its unit, and how many there are of the former without symbols."""
    unit = quantity.integral_unit if integral else quantity.unit
    return _words(quantity.title(integral)), _words(unit), len(_words(quantity.called(integral)))


def _series(variants: Variants) -> Words:
    """The words of the series, whole: those are what a number may follow."""
    return frozenset(series.word for series in variants.series)


def _by_word(by_set: Mapping[Words, list[int]]) -> Places:
    found: Places = defaultdict(list)
    for words, rows in by_set.items():
        for word in words:
            found[word].append(rows)
    return dict(found)


def _rows(places: Places, words: Iterable[str]) -> set[int]:
    """The rows to which any of some words leads."""
    return set().union(*(rows for word in words for rows in places.get(word, ())))


@cache
def _words(text: str) -> Words:
    return frozenset(_WORD.findall(text.lower()))


@cache
def _index() -> Index:
    """Built at the first search, from the tables: some thousand rows in some ten milliseconds."""
    builder = Builder()
    for a in SOURCES:
        builder.add_medium(a)
    for owner, overlays in OWNERS.items():
        for overlay in overlays:
            builder.add_object(tuple(typical(overlay)), _words(overlay.text), _words(owner), OVERLAY_RANK)
    return builder.index()
