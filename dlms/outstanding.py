"""The exchanges under way: whose answer is this, and what is to be done where an answer does not say.

A refusal of a whole APDU (exception-response, ConfirmedServiceError) has no invoke-id.  It answers a request for certain only
where that one is alone and nothing asked earlier still lacks its answer.  Among several, one of them was refused, and nobody
knows which: none fails for it.  No more is asked, the others have their answers, and when as many are left as were
refused, each of those is asked again by itself, for all of them only read.  What changes something is never asked again: a
refusal that may be that of an earlier request is left out there, and its own answer waited for.
"""

from __future__ import annotations

from collections.abc import Iterator

from dlms.codec import Record
from dlms.errors import DlmsError
from dlms.exchange import Exchange
from dlms.invoke_ids import CONTINUATIONS, INVOKE_IDS


class Outstanding:
    """The exchanges under way, the oldest first."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self.refusals = 0
        """Refusals that came while several were under way: for each of them one will have no other answer."""
        self._late = 0
        """Requests that were given up without an answer, which may still come."""

    def __iter__(self) -> Iterator[Exchange]:
        return iter(tuple(self._exchanges))

    def __len__(self) -> int:
        return len(self._exchanges)

    def __contains__(self, exchange: Exchange) -> bool:
        return exchange in self._exchanges

    @property
    def alone(self) -> bool:
        """Whether one of them has the line to itself."""
        return any(exchange.alone for exchange in self._exchanges)

    def add(self, exchange: Exchange) -> None:
        """One more."""
        self._exchanges.append(exchange)

    def remove(self, exchange: Exchange, *, late: int = 0) -> None:
        """One less; `late` answers to its tries may still come."""
        self._exchanges.remove(exchange)
        self._late = min(self._late + late, INVOKE_IDS)

    def dropped(self) -> None:
        """An answer has come that nothing waited for."""
        self._late = max(0, self._late - 1)

    def awaiting(self, data: bytes) -> Exchange | None:
        """The exchange that these octets answer, as far as can be told without decoding them."""
        if len(self._exchanges) == 1:
            return self._exchanges[0]
        return next((exchange for exchange in self._exchanges if exchange.numbered(data)), None)

    def replies(self, data: bytes) -> tuple[type[Record], ...]:
        """The records that may answer with these octets."""
        exchange = self.awaiting(data)
        return () if exchange is None else exchange.request.replies

    def answered(self, data: bytes, apdu: Record, *, reliable: bool) -> Exchange | None:
        """The exchange that a reply with an invoke-id answers, or one that needs none."""
        return next((one for one in self._exchanges if one.answered_by(data, apdu, reliable=reliable)), None)

    def refused(self, refusal: DlmsError) -> Exchange | None:
        """The exchange that a refusal answers for certain; None where it answers one of several, or perhaps an earlier one."""
        if len(self._exchanges) != 1:
            self.refusals += len(self._exchanges) > 1
            return None
        exchange = self._exchanges[0]
        if not self._late or exchange.again or exchange.invoke_id is None:
            return exchange
        self._late -= 1
        if exchange.request.read_only and not isinstance(exchange.request.apdu, CONTINUATIONS):
            self.refusals = 1
        else:
            exchange.doubt = refusal
        return None

    def taken_back(self, *, all_of_them: bool = False) -> list[Exchange]:
        """Those that must be asked again singly, no longer under way: as many are left as were refused, or time is up."""
        if not self.refusals or (len(self._exchanges) > self.refusals and not all_of_them):
            return []
        back, self._exchanges = self._exchanges, []
        self._late = min(self._late + max(0, len(back) - self.refusals), INVOKE_IDS)
        self.refusals = 0
        return back

    def clear(self) -> list[Exchange]:
        """None is under way any more; gives those that were."""
        lost, self._exchanges = self._exchanges, []
        self.refusals = self._late = 0
        return lost
