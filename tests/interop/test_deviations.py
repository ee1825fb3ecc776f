"""The list of exceptions holds: what is new fails, what has ceased to be true fails, and no line is beyond both."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.interop import deviations
from tests.interop.deviations import Deviations, PeerError, exceptions
from tests.interop.peers import PACKAGES

HEADINGS = {
    heading
    for file in Path(__file__).parent.glob("test_*.py")
    if file != Path(__file__)
    for heading in re.findall(r'eviations\((?:[\w.]+, )?f?"([^"]+)"\)', file.read_text(encoding="utf-8"))
}
"""What the tests call `Deviations` with.  A line of the list under any other heading would never be missed."""
LISTED = "a peer | values | boolean | Blue Book, Data [3]; no decoder\n"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deviations:
    """Of a peer with one line in the file."""
    file = tmp_path / "exceptions.txt"
    file.write_text("# peer | scope | place | clause\n\n" + LISTED, encoding="utf-8")
    monkeypatch.setattr(deviations, "FILE", file)
    return Deviations("a peer", "values")


def test_what_is_listed_and_so_passes(found: Deviations) -> None:
    found.equal("boolean", PeerError("cannot"), True)
    found.equal("long", 1, 1)
    found.check()


def test_what_is_not_listed_fails(found: Deviations) -> None:
    found.equal("boolean", 1, True)
    found.equal("long", 2, 1)
    with pytest.raises(AssertionError, match=r"new deviations of a peer in values.*long.*comes to 2, not 1"):
        found.check()


def test_what_the_peer_cannot_do_is_a_deviation(found: Deviations) -> None:
    found.equal("boolean", 1, True)
    with found.at("long"):
        raise PeerError("cannot")
    with pytest.raises(AssertionError, match="fails: cannot"):
        found.check()


def test_a_line_that_has_ceased_to_be_true_fails(found: Deviations) -> None:
    found.equal("boolean", True, True)
    with pytest.raises(AssertionError, match=r"no deviations any more.*boolean"):
        found.check()


def looked_at(scope: str) -> bool:
    """Whether a test looks for deviations under this heading; its own f-strings are taken for patterns."""
    return any(re.fullmatch(re.sub(r"\\\{.*?\\\}", ".+", re.escape(heading)), scope) for heading in HEADINGS)


def test_a_heading_of_no_test_is_told_from_the_others() -> None:
    headings = ("view", "list hdlc", "k382 optical values", "values by entry", "elsewhere")
    assert [looked_at(one) for one in headings] == [True, True, True, False, False]


def test_every_line_names_a_peer_a_heading_that_is_looked_at_and_a_clause() -> None:
    lines = exceptions()
    assert lines
    wrong = [
        one
        for one in lines
        if one[0] not in PACKAGES or not looked_at(one[1]) or not one[3].startswith(("Blue Book", "Green Book"))
    ]
    assert wrong == []
    assert [place for place, count in Counter(one[:3] for one in lines).items() if count > 1] == []
