import json

import pytest

from clips import make_clip
from lanes import segmenter
from lanes.benchmark import benchmark_models, benchmark_video, peak_memory
from lanes.errors import BackendError


def test_stages_and_whole_are_timed_on_all_frames(tmp_path, model_folder):
    clip = make_clip(tmp_path / "x.mp4", frames=70, audio="aac")
    rounds = []
    with segmenter.load(str(model_folder)) as loaded:
        figures = benchmark_video(clip, loaded, rounds=2, progress=rounds.append)
    assert rounds == [1, 2]
    assert figures.frames == 70
    stages = [figures.decode, figures.infer, figures.encode, figures.pipeline]
    assert all(0 < seconds < 1 for seconds in stages)
    assert figures.serial_fps == pytest.approx(1 / sum(stages[:3]))
    assert figures.ratio == pytest.approx(figures.pipeline_fps / figures.serial_fps)
    assert json.loads(json.dumps(figures.to_dict()))["frames"] == 70
    assert [p.name for p in tmp_path.iterdir()] == ["x.mp4"]


def test_models_are_timed_in_turns(model_folder):
    one, other = benchmark_models([str(model_folder)] * 2, "onnxruntime", rounds=5)
    assert (one.backend, one.precision) == ("onnxruntime", "fp32")
    for found in (one, other):
        assert 0 < found.p50 <= found.p95 < 1
        # At least the engine's own libraries.
        assert found.memory > 1_000_000


def test_a_model_that_does_not_run_alone_says_why(tmp_path):
    with pytest.raises(BackendError, match="nowhere"):
        peak_memory(str(tmp_path / "nowhere"), "auto", "auto")
