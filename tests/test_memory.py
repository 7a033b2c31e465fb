"""Memory does not grow with the clip: queues are bounded, meters are rings."""

import json
import subprocess
import sys

import pytest

from clips import make_clip

SCRIPT = """
import json, resource, sys
from pathlib import Path
from lanes import segmenter
from lanes.annotate import Options, annotate
clip, model, output = sys.argv[1:]
with segmenter.load(model) as loaded:
    summary = annotate(clip, loaded, Options(output=Path(output), json=Path(output + ".jsonl")))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"frames": summary.frames, "peak": peak}))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_clip_ten_times_as_long_takes_no_more_memory(tmp_path, model_folder):
    peaks = {}
    for frames in (150, 1500):
        clip = make_clip(tmp_path / f"{frames}.mp4", frames=frames, size=(720, 1280))
        output = tmp_path / f"{frames}_out.mp4"
        words = [sys.executable, "-c", SCRIPT]
        done = subprocess.run([*words, clip, model_folder, output], capture_output=True, check=True)
        told = json.loads(done.stdout)
        assert told["frames"] == frames
        peaks[frames] = told["peak"]
    # 1,350 frames of 1280x720 would be 1.9 GB.
    assert peaks[1500] < peaks[150] + 40
