"""`python -m tests.fuzz`: rounds of the campaigns, as many as are wanted; each failure is named by its seed."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.fuzz.campaign import CAMPAIGNS, SCENARIOS, play


def main() -> int:
    """Play, name what failed and what took longest; exit 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="of each campaign in each scenario (1000)")
    parser.add_argument("--seed", type=int, default=0, help="that of the first round (0)")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only campaigns or scenarios of these names")
    options = parser.parse_args()
    failed = 0
    for campaign in CAMPAIGNS:
        for scenario in SCENARIOS:
            if options.words and not {campaign, scenario} & set(options.words):
                continue
            slowest, begun = (0.0, 0), time.process_time()
            failures: list[int] = []
            for seed in range(options.seed, options.seed + options.rounds):
                before = time.process_time()
                try:
                    play(campaign, scenario, seed)
                except Exception:
                    failures.append(seed)
                    if len(failures) == 1:
                        traceback.print_exc(limit=-4)
                slowest = max(slowest, (time.process_time() - before, seed))
            failed += len(failures)
            took_s = time.process_time() - begun
            print(
                f"{campaign}, {scenario}: {options.rounds} rounds in {took_s:.1f} s, the slowest {slowest[0]:.2f} s"
                f" (seed {slowest[1]}), {len(failures)} failed {failures[:8]}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
