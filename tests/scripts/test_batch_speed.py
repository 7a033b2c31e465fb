"""The timings of `lanes batch` run to their end on small inputs, and compare what they say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from clips import make_clip

SCRIPT = Path(__file__).parents[2] / "scripts" / "batch_speed.py"


@pytest.fixture
def run(tmp_path, model_folder):
    main = runpy.run_path(str(SCRIPT))["main"]
    clip = make_clip(tmp_path / "clip.mp4", frames=50, gop=5)
    words = ["--model", str(model_folder), "--backend", "onnxruntime", "--rounds", "1"]

    def call(what, *more):
        return main([what, *words, "--clip", str(clip), "--seconds", "0.4", *more])

    return call


def test_nothing_to_do(run, capsys):
    assert run("again", "--count", "30") == 0
    assert re.search(r"30 inputs, nothing to do: \d+\.\d\d s", capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("what", "others"), [("inputs", 2), ("split", 1)])
def test_ways_to_label(run, capsys, what, others):
    assert run(what, "--count", "5") == 0
    printed = capsys.readouterr().out
    assert printed.count("s, 3 videos") == others + 1, "all ways label the same"
    assert len(re.findall(r"takes \d+\.\d\d times as long as", printed)) == others
