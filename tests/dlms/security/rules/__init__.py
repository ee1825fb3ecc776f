"""The security rules, each with the check that enforces it and a test that fails without that check.

`check` is a piece of the module's source, `without` what stands there when the check is gone.  `test_rules` removes
every check and runs its test; docs/security-rules.md is this table.
"""

from __future__ import annotations

from tests.dlms.security.rules.associations import ASSOCIATIONS
from tests.dlms.security.rules.ends import ENDS
from tests.dlms.security.rules.keys import KEYS
from tests.dlms.security.rules.primitives import PRIMITIVES
from tests.dlms.security.rules.rule import Rule as Rule
from tests.dlms.security.rules.rule import Rules

RULES: Rules = {**PRIMITIVES, **KEYS, **ASSOCIATIONS, **ENDS}
