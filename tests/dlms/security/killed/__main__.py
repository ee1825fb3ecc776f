"""A campaign by hand: `python -m tests.dlms.security.killed TRANSPORT SUITE SEED KILLS [rotating]` prints its figures."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from pathlib import Path

from tests.dlms.security.killed.campaign import Campaign
from tests.dlms.security.killed.plan import plans

if __name__ == "__main__":
    rotating = sys.argv[5:] == ["rotating"]
    transport, suite, seed, kills = sys.argv[1], *map(int, sys.argv[2:5])
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), transport, suite=suite, seed=seed, rotating=rotating)
        try:
            found = campaign.run(plans(kills, random.Random(seed), rotating=rotating))
        finally:
            campaign.close()
    recorder, line = campaign.recorder, campaign.line
    for name, count in sorted(found.kills.items()):
        print(f"{count:5} {name}")
    print(
        f"{found.kills.total()} kills in {found.took_s:.1f} s; {len(recorder.seen)} triples, {recorder.proofs} of them proofs, "
        f"{len(recorder.repeated)} repeats, {recorder.same_message} same messages, {line.repeated_frames} repeated frames, "
        f"{len(recorder.unknown)} unknown"
    )
    print(
        f"{found.associations} associations, {found.rotated} rotations, {found.worked} pieces of work; "
        f"{len(found.tried)} tried, {len(found.did)} entered, {len(found.done)} confirmed, "
        f"{sum(n > 1 for n in found.did.values())} twice; "
        f"resumed in {statistics.median(found.resumed_s):.3f} s, at most {max(found.resumed_s):.3f} s"
    )
    print(
        f"replayed {dict(found.replayed)}, served {found.served}; {found.poisoned} old answers; unknown {found.unknown}"
    )
    print("faults", found.faults[:20], "refused", found.refused[:20], "broken", found.broken)
