"""`lanes video` on a clip with a departure: tables, clips, formats, the summary, options."""

import csv
import json

import av
import cv2
import pytest

import lanes
from lane_roads import OFFSETS, draw_road
from lane_roads import SMALL as SIZE
from lanes.cli.main import app


def test_a_departure_is_in_every_file(run, drifting, tmp_path):
    clip, model = drifting
    done = run(
        clip, "-o", "out.mp4", "--json", "a.jsonl", "--events", "e.csv", "--event-clips", "parts",
        "--lines-format", "culane", "--lines-output", "lines", "--birdseye", model=model,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert "departure" in shown
    assert "lines" in shown, "a stage of its own"
    with (tmp_path / "e.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["kind"], row["side"]) == ("departure", "right")
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    (event,) = [record["event"] for record in records if "event" in record]
    assert event["start"] == float(row["start"])
    assert len(list((tmp_path / "lines").glob("*.lines.txt"))) == len(OFFSETS)
    (part,) = (tmp_path / "parts").iterdir()
    assert part.name == f"out_{float(row['start']):07.1f}s_departure_right.mp4"
    before = (tmp_path / "out.mp4").read_bytes()
    again = run(clip, "-o", "new.mp4", "--event-clips", "parts", model=model)
    assert (again.exit_code, "parts already has videos" in again.output) == (2, True)
    assert not (tmp_path / "new.mp4").exists()
    assert (tmp_path / "out.mp4").read_bytes() == before
    with av.open(str(part)) as container:
        assert len(container.streams.audio) == 1
        assert len(list(container.decode(video=0))) == len(OFFSETS), "shorter than the margins"


def test_a_departure_that_the_end_cuts_off_has_its_row_and_clip(run, drifting, tmp_path):
    clip, model = drifting
    half = len(OFFSETS) // 2  # the car is beyond the line
    done = run(
        clip, "-o", "o.mp4", "--events", "e.csv", "--event-clips", "parts",
        "--max-frames", half, model=model,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with (tmp_path / "e.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["kind"], row["side"]) == ("departure", "right")
    assert float(row["end"]) == pytest.approx((half - 1) / 25, abs=0.02)
    assert len(list((tmp_path / "parts").iterdir())) == 1
    assert "departure" in " ".join(done.output.split())


def test_a_clip_plays_from_its_start(run, drifting, tmp_path):
    from lanes.video.clip import cut_clip

    clip, _ = drifting
    cut_clip(clip, tmp_path / "part.mp4", 1.0, 1.6)
    with lanes.open_source(tmp_path / "part.mp4") as source:
        times = [round(frame.seconds - source.origin, 3) for frame in source]
    assert times[0] == pytest.approx(0, abs=0.05)
    assert 0.5 < times[-1] < 0.9


def test_without_lines_nothing_is_looked_for(run, drifting, tmp_path):
    clip, model = drifting
    done = run(
        clip, "-o", "o.mp4", "--no-lines", "--json", "a.jsonl", "--max-frames", 3, model=model
    )
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[-1])
    assert "lines" not in record
    assert "lines" not in record["ms"]


def test_a_camera_and_smoothing_in_python(drifting, tmp_path):
    clip, model = drifting
    camera = tmp_path / "camera.toml"
    camera.write_text("height = 1.4\nfov = 60\n")
    records = tmp_path / "a.jsonl"
    summary = lanes.label_video(
        clip, tmp_path / "o.mp4", model=model, calibration=str(camera), smooth=True,
        json=str(records), start=0.4,
    )  # fmt: skip
    (event,) = summary.events
    assert event.kind == "departure"
    assert 0.4 < event.start < event.end
    last = json.loads(records.read_text().splitlines()[-1])
    assert last["lane"]["width_m"] == pytest.approx(2.6 * 1.4, rel=0.06)
    assert last["ms"]["smooth"] > 0


def test_images_are_looked_at_one_by_one_unless_they_have_a_rate(run, drifting, tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(0, 24, 4):
        cv2.imwrite(str(tmp_path / "images" / f"{number:03d}.png"), draw_road(number, SIZE))
    offsets = []
    for words in ([], ["--fps", "25"]):
        run("images", "--json", "a.jsonl", "--overwrite", *words, model=drifting[1])
        lines = (tmp_path / "a.jsonl").read_text().splitlines()
        offsets.append(json.loads(lines[-1])["lane"]["offset"])
    alone, followed = offsets
    assert alone == pytest.approx(OFFSETS[20], abs=0.03)
    assert followed < alone


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--no-lines", "--events", "e.csv"], "--events needs the lane lines"),
        (["--no-lines", "--calibration", "c.toml"], "--calibration needs the lane lines"),
        (["--calibration", "none.toml"], "none.toml cannot be read"),
        (["--calibration", "c.toml"], "height is 14; wanted a number from 0.2 to 10"),
        (["--lines-format", "tusimple"], "--lines-output go together"),
        (["--events", "drive.mp4"], "is the input itself"),
        (["--events", "a.csv", "--json", "a.csv"], "two results would be written to"),
        (["--lines-format", "tusimple", "--lines-output", "drive.mp4"], "is the input itself"),
        (["--calibration", "good.toml", "--events", "good.toml"], "is the input itself"),
        (["drive.mp4", "--events", "e.csv"], "--events takes one input"),
    ],
)
def test_wrong_options_are_a_sentence_and_no_file(run, clip, tmp_path, words, message):
    (tmp_path / "c.toml").write_text("height = 14\nfov = 62\n")
    (tmp_path / "good.toml").write_text("height = 1.4\nfov = 62\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(clip, *words, "--overwrite")
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_of_cells_refuses_events(run, clip, cell_models):
    done = run(clip, "--events", "e.csv", model=cell_models["cell_count"])
    assert done.exit_code == 2
    assert "which the task 'cell_count' has not" in " ".join(done.output.split())


@pytest.mark.parametrize("command", ["video", "webcam"])
def test_the_options_are_in_help(command):
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for word in ("Lane lines", "--no-lines", "--calibration", "--birdseye", "--smooth"):
        assert word in shown, word
    assert ("--events" in shown) == (command == "video")


def test_ctrl_c_keeps_whole_lines_and_the_clips_so_far(drifting, tmp_path):
    clip, model = drifting

    def interrupt(result):
        if result.number == 56:
            raise KeyboardInterrupt
        return result

    files = {"json": tmp_path / "a.jsonl", "events": tmp_path / "e.csv"}
    summary = lanes.label_video(
        clip, tmp_path / "o.mp4", model=model, steps=[interrupt],
        event_clips=tmp_path / "parts", **files,
    )  # fmt: skip
    assert summary.interrupted
    (event,) = summary.events
    records = [json.loads(line) for line in files["json"].read_text().splitlines()]
    assert len(records) == summary.frames <= 56
    assert len(files["events"].read_text().splitlines()) == 2
    assert summary.clips == list((tmp_path / "parts").iterdir())
    assert not list(tmp_path.glob(".*"))
