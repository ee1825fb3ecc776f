"""OBIS codes: the six bytes that name what a meter measures, what each of them means, and a search over all of them.

`Obis` is the code, `describe` tells what one means, `find` looks for those that some words describe. The package
imports nothing else of this library; the tables are its own reading of the Blue Book's published excerpt (Ed. 13).
"""

from __future__ import annotations

from obis.code import Obis
from obis.describe import Description, Groups, describe
from obis.errors import ObisError
from obis.groups import Scope
from obis.search import find

__all__ = ["Description", "Groups", "Obis", "ObisError", "Scope", "describe", "find"]
