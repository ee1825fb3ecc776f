"""Captures and published exchanges kept beside the checkout; their bytes are not in the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"


def records(name: str) -> list[dict[str, Any]]:
    """The records of one collection; skips the calling module, and says so, where the collection is not there."""
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"the vector collection {name}.jsonl is not beside this checkout", allow_module_level=True)
    return [json.loads(line) for line in path.read_text().splitlines()]
