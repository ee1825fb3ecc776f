"""One security rule and its negative proof."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One rule and its negative proof."""

    text: str
    module: str
    check: str
    without: str
    test: str
    """`file::test` below tests/dlms/security, both without their prefix `test_`; with a folder, below tests/dlms."""

    @property
    def file(self) -> str:
        """Its module below dlms, which is one of dlms/security unless it says another folder."""
        return f"{self.module.removeprefix('./')}.py" if "/" in self.module else f"security/{self.module}.py"


Rules = dict[str, tuple[Rule, ...]]
"""By the heading under which they stand in docs/security-rules.md."""
