"""Random numbers by position: a pure function of seed, meter, use and counter, however time is cut and meters sharded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.quantity import Ints

Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASK = 0xFFFF_FFFF_FFFF_FFFF


def scramble(word: Words) -> Words:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that looks random."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def keys(seed: int, meters: range, stream: int) -> Words:
    """One independent key a meter, (meter); `stream` tells the uses apart."""
    number = np.arange(meters.start, meters.stop, meters.step).astype(np.uint64)
    word = scramble(np.array([seed & _MASK], np.uint64) + _GOLDEN)
    word = scramble(word + np.array([stream & _MASK], np.uint64) * _GOLDEN)
    return scramble(word + number * _GOLDEN)


def uniform(key: Words, counter: Ints) -> Doubles:
    """Numbers in [0, 1): element `counter` of the sequence of each key; shape (counter, key)."""
    word = scramble(key[None, :] + counter.astype(np.uint64)[:, None] * _GOLDEN)
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53
