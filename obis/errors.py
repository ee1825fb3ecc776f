"""The one error that obis raises on purpose."""

from __future__ import annotations

EXCERPT = 60
"""So much of a refused text is repeated in the message; the rest may be anything, of any length."""


class ObisError(ValueError):
    """A text, some bytes or some numbers that are no OBIS code, or a pattern that is none.

    `text` is what was refused (cut to 60 characters), `position` the index in it where reading stopped, None
    where no single place is at fault.
    """

    def __init__(self, reason: str, text: str = "", position: int | None = None) -> None:
        self.reason, self.text, self.position = reason, text[:EXCERPT], position
        shown = repr(self.text) + ("..." if len(text) > EXCERPT else "")
        place = "" if position is None else f" at position {position}"
        super().__init__(f"{shown} is no OBIS code: {reason}{place}" if text else f"no OBIS code: {reason}")

    def __reduce__(self) -> tuple[type[ObisError], tuple[str, str, int | None]]:
        return type(self), (self.reason, self.text, self.position)
