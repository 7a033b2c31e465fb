import json

import pytest

from clips import make_clip
from lanes import segmenter
from lanes.benchmark import benchmark_video


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
