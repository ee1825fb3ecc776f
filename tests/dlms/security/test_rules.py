"""Every security rule has a test that fails without its check; the page that lists them is this table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dlms.security import rule_removed
from tests.dlms.security.rules import RULES, Rule

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "security-rules.md"
EVERY = [rule for rules in RULES.values() for rule in rules]


def table() -> str:
    """The rules as the page lists them."""
    lines = []
    for group, rules in RULES.items():
        lines += [f"## {group}", "", "| rule | where | test |", "|---|---|---|"]
        for rule in rules:
            file, _, name = rule.test.partition("::")
            lines.append(f"| {rule.text} | `dlms/{rule.file}` | `{file}`: {name.replace('_', ' ')} |")
        lines.append("")
    return "\n".join(lines)


def test_the_page_lists_the_rules():
    _, _, listed = PAGE.read_text().partition("<!-- rules -->\n\n")
    assert listed == table()


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.text)
def test_the_check_is_there(rule: Rule):
    assert rule_removed.source(rule).count(rule.check) == 1
    file, name = rule_removed.place(rule)
    assert f"def {name}(" in file.read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="checks are removed in forked processes")
@pytest.mark.parametrize("group", RULES)
def test_no_check_can_be_removed(group: str):
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "", "PYTHONWARNINGS": ""}
    done = subprocess.run(
        [sys.executable, "-m", rule_removed.__name__, group],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_each_rule_is_there_once():
    assert len({rule.text for rule in EVERY}) == len(EVERY)
