"""`lanes batch` with real workers, its messages and exit codes."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip, picture
from ended import frames_of
from lanes import plugins
from lanes.cli.main import app


@pytest.fixture
def run(tmp_path, model_folder, monkeypatch):
    """Run `lanes batch ARGS` in tmp_path with the model of known labels."""
    monkeypatch.chdir(tmp_path)

    def call(*args, model=model_folder):
        words = ["batch", *map(str, args), "--model", str(model), "--backend", "onnxruntime"]
        return CliRunner().invoke(app, words)

    return call


def test_videos_and_images_give_what_their_commands_write(run, tmp_path):
    for name in ("a/1.mp4", "b/1.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        make_clip(tmp_path / "in" / name, frames=5)
    cv2.imwrite(str(tmp_path / "in/a/1.png"), picture(1))
    (tmp_path / "in/b/broken.mp4").write_text("no video")
    done = run("in", "-o", "out", "--masks", "--json", "--workers", 1)
    assert done.exit_code == 1, done.output
    assert "3 labelled, 1 failed" in done.stdout
    assert "broken.mp4 is not a video" in done.stderr
    for folder in ("a/1.mp4", "b/1.mp4"):
        place = tmp_path / "out" / folder
        assert frames_of(place / "1_lanes.mp4") == 5
        assert len(list((place / "masks").iterdir())) == 5
        assert len((place / "frames.jsonl").read_text().splitlines()) == 5
    names = {path.name for path in (tmp_path / "out/a/1.png").iterdir()}
    assert names == {"1_overlay.png", "1_labels.png", "summary.csv"}
    with (tmp_path / "out/manifest.csv").open() as file:
        frames = {row["output"]: int(row["frames"]) for row in csv.DictReader(file)}
    assert frames == {"a/1.mp4": 5, "b/1.mp4": 5, "a/1.png": 1, "": 0}
    again = run("in", "-o", "out", "--masks", "--json")
    assert "nothing to label, 3 done before, 1 failed before (--retry-failed" in again.stdout
    assert again.exit_code == 1


def test_labels_are_those_of_lanes_image(run, tmp_path, model_folder):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), image)
    words = ["image", "p.png", "-o", "alone", "--model", str(model_folder)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert run("p.png", "-o", "out").exit_code == 0
    labels = [cv2.imread(str(tmp_path / f / "p_labels.png"), 0) for f in ("alone", "out/p.png")]
    assert np.array_equal(*labels)


def test_lane_options_are_those_of_lanes_video(run, drifting, tmp_path):
    clip, model = drifting
    words = ["--smooth", "--birdseye", "--lines-format"]
    one = ["video", str(clip), "--model", str(model), "--backend", "onnxruntime", *words, "culane"]
    one += ["-o", "one.mp4", "--events", "one.csv", "--lines-output", "one"]
    assert CliRunner().invoke(app, one).exit_code == 0
    done = run(
        clip, "-o", "out", *words, "culane", "--events", "--event-clips", "--json", model=model
    )
    assert done.exit_code == 0, done.output
    place = tmp_path / "out" / clip.name
    assert (place / "events.csv").read_text() == (tmp_path / "one.csv").read_text()
    assert "departure" in (place / "events.csv").read_text()
    assert len(list((place / "events").glob("*_departure_right.mp4"))) == 1
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names
    assert names == sorted(path.name for path in (place / "lines").iterdir())
    for name in names:
        assert (place / "lines" / name).read_text() == (tmp_path / "one" / name).read_text()
    again = run(clip, "-o", "out", "--smooth", model=model)
    assert again.exit_code == 2
    assert "smooth=True events=True" not in again.stderr.split("would be")[1]


def test_lines_of_tusimple_and_none(run, drifting, tmp_path):
    clip, model = drifting
    done = run(clip, "-o", "out", "--lines-format", "tusimple", model=model)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / clip.name / "lines.json").read_text().count("raw_file") > 0
    done = run(clip, "-o", "plain", "--no-lines", "--json", model=model)
    assert done.exit_code == 0, done.output
    assert '"lane"' not in (tmp_path / "plain" / clip.name / "frames.jsonl").read_text()


def test_a_dry_run_prints_what_is_due(run, tmp_path):
    (tmp_path / "1.mp4").touch()
    done = run("1.mp4", "-o", "out", "--dry-run")
    assert done.exit_code == 0
    assert "1.mp4: new" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["gone.mp4"], "gone.mp4"),
        (["1.mp4", "--alpha", "2"], "--alpha"),
        (["1.mp4", "--infer-every", "0"], "--infer-every"),
        (["1.mp4", "--um-per-pixel", "1"], "counts no cells"),
        (["1.mp4", "--threads", "0"], "threads"),
        (["1.mp4", "--no-lines", "--events"], "--events needs the lane lines"),
        (["1.mp4", "--calibration", "gone.toml"], "gone.toml cannot be read"),
    ],
)
def test_a_wrong_option_is_one_sentence(run, tmp_path, words, fact):
    (tmp_path / "1.mp4").touch()
    done = run(*words, "-o", "out")
    assert done.exit_code == 2, done.output
    assert fact in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_ray_names_the_extra(run, tmp_path):
    if plugins.installed("ray"):
        pytest.skip("Ray is installed")
    (tmp_path / "1.mp4").touch()
    done = run("1.mp4", "-o", "out", "--address", "auto")
    assert done.exit_code == 2
    assert "'ray', not installed: pip install" in done.stderr
