"""Kamstrup's electricity meters as data."""

from __future__ import annotations
