"""What soaks share: how long they take, what is measured, and how it is judged.

LANES_SOAK_MINUTES is how long (3 unless given; a soak worth its name is 20), LANES_SOAK_VISITS how
many visitors come (100 unless given).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from statistics import median

import pytest

MINUTES = float(os.environ.get("LANES_SOAK_MINUTES", "3"))
VISITS = int(os.environ.get("LANES_SOAK_VISITS", "100"))
WARM_SECONDS = min(60, MINUTES * 20)
GROWTH = 1.05 if MINUTES >= 3 else 1.2
"""How much larger the memory may be in the last third; a short soak still warms up."""

marks = [
    pytest.mark.slow,
    pytest.mark.timeout(MINUTES * 60 + 400),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def resident(process="self"):
    """MiB of a process in memory."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def judge(samples, summary):
    """Print and judge rows of seconds, MiB and latency in ms: the last third against the first.

    The first minute does not count, nor the first third of a shorter soak.
    """
    judged = [sample for sample in samples if sample[0] >= WARM_SECONDS]
    third = max(len(judged) // 3, 1)
    (mib, ms), (mib_late, ms_late) = (
        [median(sample[i] for sample in part) for i in (1, 2)]
        for part in (judged[:third], judged[-third:])
    )
    most = max(sample[1] for sample in judged)
    print(
        f"\n{MINUTES:g} minutes: {summary}; {mib:.1f} MiB then {mib_late:.1f} MiB (at most "
        f"{most:.1f}); {ms:.1f} ms then {ms_late:.1f} ms"
    )
    assert mib_late < GROWTH * mib
    # Others work on this machine, too; what queues up would grow far beyond this.
    assert ms_late < 2 * ms + 20
