"""Memory does not grow with the clip: queues are bounded, meters are rings."""

import json
import subprocess
import sys

import pytest

from clips import make_clip

SCRIPT = """
import json, sys
from pathlib import Path
from lanes import segmenter
from lanes.pipeline.label_video import Options, annotate
from lanes.system.machine import peak_memory
clip, output, words = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
with segmenter.load() as loaded:
    summary = annotate(clip, loaded, Options(output=output, **words))
print(json.dumps({"frames": summary.frames, "peak": peak_memory() / 1e6}))
"""
SIZE = (1080, 1920)
FRAME = 1.5 * SIZE[0] * SIZE[1] / 1e6
"""Megabytes of one frame's planes."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {n: make_clip(folder / f"{n}.mp4", frames=n, size=SIZE) for n in (100, 400)}


def peak_of(clip, output, **options):
    """Megabytes that a process which annotates `clip` holds at most."""
    words = [sys.executable, "-c", SCRIPT, str(clip), str(output), json.dumps(options)]
    done = subprocess.run(words, capture_output=True, check=True)
    result = json.loads(done.stdout)
    assert result["frames"] == int(clip.stem)
    if not result["peak"]:
        pytest.skip("this system does not tell")
    return result["peak"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("every", [1, 4])
def test_1080p_stays_below_400_megabytes_however_long(tmp_path, clips, every):
    peaks = {
        length: peak_of(clip, tmp_path / f"{length}.mp4", infer_every=every)
        for length, clip in clips.items()
    }
    assert max(peaks.values()) < 400
    # A handful of frames: 300 more of them would be 900 MB.
    assert peaks[400] < peaks[100] + 8 * FRAME
