"""`python -m tests.benchmarks`: our rates beside those of the peers and of the floor, measured in one run."""

from __future__ import annotations

import argparse
import json
import sys

from tests.benchmarks.cases import PEERS, RATES, contestants
from tests.benchmarks.measure import QUICK, THOROUGH, measure
from tests.benchmarks.report import as_json, table


def main() -> None:
    """Measure, print one table (or JSON), name what is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON array instead of the table")
    parser.add_argument(
        "--quick", action="store_true", help="a few short turns: results are checked, rates mean little"
    )
    parser.add_argument("cases", nargs="*", metavar="WORD", help="only the cases with one of these words in their name")
    options = parser.parse_args()
    tables = contestants()
    effort = QUICK if options.quick else THOROUGH
    chosen = [case for case in RATES if not options.cases or any(word in case.name for word in options.cases)]
    results = [measure(case, tables, effort) for case in chosen]
    if options.json:
        json.dump(as_json(results), sys.stdout, indent=2)
        print()
        return
    print(table(results, [name for name in PEERS if name in tables], verdicts=not options.quick))


if __name__ == "__main__":
    main()
