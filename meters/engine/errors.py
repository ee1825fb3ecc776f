"""The one error that the measurement engine raises on purpose."""

from __future__ import annotations


class EngineError(ValueError):
    """Input that no meter could measure, or a question that this meter cannot answer: the message names it."""
