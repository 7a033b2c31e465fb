"""The commands as a user meets them: what is printed, the exit code, the files left behind."""

import json
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import make_clip, picture
from lanes.cli.main import app
from lanes.pipeline import demo_clip
from lanes.video import VideoSink
from model_folders import SIZE, labels_of


def frames_of(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_clip_gets_its_overlay_beside_it(run, clip, tmp_path):
    done = run(clip)
    assert done.exit_code == 0, done.output
    out = tmp_path / "drive_lanes.mp4"
    assert left(tmp_path) == ["drive.mp4", "drive_lanes.mp4"]
    frames = frames_of(out)
    assert len(frames) == 12
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.height, stream.width) == (96, 160)
        assert stream.average_rate == Fraction(30000, 1001)
        assert len(container.streams.audio) == 1
    for word in ("12 frames", "FPS", "x real time", "p95", "decode", "resize", "infer", "encode"):
        assert word in " ".join(done.output.split()), word


def test_the_overlay_is_where_the_labels_are(run, tmp_path):
    def draw(number, size):
        image = np.full((*size, 3), 40, np.uint8)
        image[:, size[1] // 2 :] = 128
        return image

    clip = make_clip(tmp_path / "x.mp4", frames=3, draw=draw)
    assert run(clip, "--no-hud", "--no-lines", "--quality", "best").exit_code == 0
    image = frames_of(tmp_path / "x_lanes.mp4")[1].to_ndarray(format="bgr24").astype(int)
    np.testing.assert_allclose(image[40, 20], 40, atol=4)
    blue, green, red = image[40, 130]
    assert green > blue + 15
    assert green > red + 30


def test_masks_and_json_of_a_clip(run, clip, tmp_path):
    assert run(clip, "--masks", "masks", "--json", "out.json").exit_code == 0
    assert left(tmp_path / "masks") == [f"{n:06d}.png" for n in range(12)]
    mask = cv2.imread(str(tmp_path / "masks" / "000003.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (96, 160)
    assert set(np.unique(mask)) <= {0, 1, 2}
    lines = [json.loads(line) for line in (tmp_path / "out.json").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(12))
    assert lines[1]["time"] == pytest.approx(1001 / 30000, abs=1e-4)
    for line in lines:
        assert sum(line["shares"].values()) == pytest.approx(1, abs=1e-5)
        assert set(line["ms"]) == {"decode", "resize", "infer", "lines", "overlay", "encode"}
        assert "iou" not in line


def test_its_own_masks_as_truth_give_an_iou_of_one(run, clip, tmp_path):
    assert run(clip, "--masks", "masks").exit_code == 0
    done = run(clip, "--labels", "masks", "--json", "o.json", "-o", "second.mp4")
    assert done.exit_code == 0, done.output
    assert "mean 1.000" in " ".join(done.output.split())
    line = json.loads((tmp_path / "o.json").read_text().splitlines()[5])
    assert set(line["iou"].values()) == {1.0}


def test_iou_by_hand(run, tmp_path):
    """The network says 0 left and 1 right of the middle; the truth's border lies at a quarter."""

    def draw(number, size):
        image = np.full((*size, 3), 40, np.uint8)
        image[:, size[1] // 2 :] = 128
        return image

    clip = make_clip(tmp_path / "x.mp4", frames=2, draw=draw, size=SIZE)
    (tmp_path / "truth").mkdir()
    labels = np.zeros(SIZE, np.uint8)
    labels[:, SIZE[1] // 4 :] = 1
    for number in range(2):
        cv2.imwrite(str(tmp_path / "truth" / f"{number:06d}.png"), labels)
    done = run(clip, "--labels", "truth", "--json", "o.json")
    assert done.exit_code == 0, done.output
    iou = json.loads((tmp_path / "o.json").read_text().splitlines()[0])["iou"]
    assert iou == pytest.approx({"background": 1 / 2, "drivable": 2 / 3}, abs=0.02)


def test_images_of_several_sizes(run, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size in (("img2", (90, 120)), ("img10", (61, 101)), ("img1", (120, 160))):
        cv2.imwrite(str(folder / f"{name}.png"), picture(1, size))
    done = run(folder, "--masks", "masks", "--json", "o.json")
    assert done.exit_code == 0, done.output
    frames = frames_of(tmp_path / "pictures_lanes.mp4")
    assert [(f.height, f.width) for f in frames] == [(120, 160)] * 3
    for name, size in (("img2", (90, 120)), ("img10", (61, 101)), ("img1", (120, 160))):
        mask = cv2.imread(str(tmp_path / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == size
    names = [json.loads(line)["name"] for line in (tmp_path / "o.json").read_text().splitlines()]
    assert names == ["img1", "img2", "img10"]


def test_one_image_gives_one_image(run, tmp_path):
    cv2.imwrite(str(tmp_path / "road.png"), np.full((97, 161, 3), 128, np.uint8))
    assert run("road.png", "--no-lines").exit_code == 0
    drawn = cv2.imread(str(tmp_path / "road_lanes.png"))
    assert drawn.shape == (97, 161, 3)
    assert drawn[50, 80, 1] > drawn[50, 80, 2] + 30
    assert run("road.png").exit_code == 2
    assert run("road.png", "--overwrite").exit_code == 0


def test_cut_of_a_clip(run, clip, tmp_path):
    assert run(clip, "--start", "0.1", "--max-frames", "4", "--masks", "m").exit_code == 0
    assert len(frames_of(tmp_path / "drive_lanes.mp4")) == 4
    # 0.1 s at 30000/1001 a second: the first frame at or after it is number 3.
    assert left(tmp_path / "m") == [f"{n:06d}.png" for n in range(3, 7)]


def test_masks_of_a_part_have_the_numbers_of_the_whole(run, tmp_path):
    """Frames at uneven times are counted: 0.3 s at the mean rate would be number 2."""
    times = [0, 1, 2, 3, 4, 20, 21, 40]
    path = make_clip(tmp_path / "a.mkv", 8, times=times, time_base=Fraction(1, 25))
    assert run(path, "--masks", "whole").exit_code == 0
    part = ["--start", "0.3", "-o", "b.mp4", "--masks", "part"]
    assert run(path, *part).exit_code == 0
    assert left(tmp_path / "part") == [f"{n:06d}.png" for n in range(5, 8)]
    for words in (["--start", "0.3"], []):
        done = run(path, *words, "-o", "c.mp4", "--labels", "whole", "--overwrite")
        assert (done.exit_code, "IoU" in done.output) == (0, True), done.output


def test_a_rate_for_images(run, tmp_path):
    (tmp_path / "day").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "day" / f"{number}.png"), picture(number))
    assert run("day", "--fps", "10", "-o", "a.mp4").exit_code == 0
    assert [frame.time for frame in frames_of(tmp_path / "a.mp4")] == [0, 0.1, 0.2]
    assert run("a.mp4", "--fps", "10").exit_code == 2


def test_camera_options_are_checked(run, clip):
    for words in (
        ["0", "--camera-size", "big"],
        [clip, "--camera-fps", "30"],
        ["0", "--stream", 1],
    ):
        done = run(*words)
        assert (done.exit_code, done.output.startswith("error")) == (2, True)


def test_seconds_end_any_source(run, clip, tmp_path):
    assert run(clip, "--seconds", "0.2").exit_code == 0
    assert len(frames_of(tmp_path / "drive_lanes.mp4")) == 6


@pytest.mark.parametrize("cut", [[], ["--seconds", "3"], ["--end", "3"], ["--max-frames", "70"]])
def test_losses_are_reported_however_the_run_ends(run, tmp_path, cut):
    path = make_clip(tmp_path / "a.ts", 100, codec="mpeg2video")
    content = path.read_bytes()
    half = len(content) // 376 * 188
    path.write_bytes(content[:half] + content[half + 55 * 188 :])
    done = run(path, *cut)
    assert done.exit_code == 1
    assert "could not be read" in done.output


def test_several_inputs_one_of_them_bad(run, clip, tmp_path):
    other = make_clip(tmp_path / "other.mp4", frames=3)
    (tmp_path / "text.mp4").write_text("hello")
    done = run(clip, "text.mp4", other)
    assert done.exit_code == 2
    assert (tmp_path / "drive_lanes.mp4").exists()
    assert (tmp_path / "other_lanes.mp4").exists()
    assert not (tmp_path / "text_lanes.mp4").exists()


def test_a_name_with_brackets_is_printed_unchanged(run, clip, tmp_path):
    """As yt-dlp names files; rich would take it for markup."""
    named = clip.rename(tmp_path / "Drive [dQw4] :car: [i].mp4")
    done = run(named)
    assert done.exit_code == 0, done.output
    assert "Drive [dQw4] :car: [i]_lanes.mp4: 12 frames" in done.output


def test_output_folder(run, clip, tmp_path):
    (tmp_path / "out").mkdir()
    assert run(clip, "-o", "out").exit_code == 0
    assert left(tmp_path / "out") == ["drive_lanes.mp4"]


def test_quiet_prints_nothing(run, clip):
    done = run(clip, "--quiet")
    assert (done.exit_code, done.output) == (0, "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing.mp4"], "there is no nothing.mp4"),
        (["text.mp4"], "not a video"),
        (["drive.mp4", "-o", "drive.mp4", "--overwrite"], "is the input itself"),
        (["drive.mp4", "-o", "exists.mp4"], "--overwrite"),
        (["drive.mp4", "-o", "no/folder/x.mp4"], "mkdir -p"),
        (["drive.mp4", "-o", "x.gif"], "must end in one of"),
        (["drive.mp4", "-o", "/proc/x.mp4"], "cannot write in /proc"),
        (["drive.mp4", "--backend", "opnvino"], "did you mean 'openvino'"),
        (["drive.mp4", "--precision", "int3"], "has no 'int3'"),
        (["drive.mp4", "--alpha", "2"], "--alpha"),
        (["drive.mp4", "--seconds", "0"], "--seconds"),
        (["drive.mp4", "--start", "99"], "after the end"),
        (["drive.mp4", "--labels", "nowhere"], "no labels"),
        (["drive.mp4", "--labels", "few"], "holds 1 label maps"),
        (["drive.mp4", "--json", "exists.mp4"], "exists already"),
        (["drive.mp4", "--json", "no/x.json"], "mkdir -p"),
        (["drive.mp4", "--masks", "few"], "already has PNGs"),
        (["drive.mp4", "--masks", "text.mp4"], "cannot be written"),
        (["drive.mp4", "exists.mp4", "--json", "a"], "one input"),
        (["drive.mp4", "exists.mp4", "-o", "a.mp4"], "name an existing folder"),
        (["7"], "camera"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, clip, tmp_path, args, message):
    (tmp_path / "text.mp4").write_text("this is no video, it is a text\n" * 20)
    (tmp_path / "exists.mp4").write_bytes(b"precious")
    (tmp_path / "few").mkdir()
    cv2.imwrite(str(tmp_path / "few" / "000000.png"), np.zeros((96, 160), np.uint8))
    before = left(tmp_path)
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output
    assert left(tmp_path) == before
    assert (tmp_path / "exists.mp4").read_bytes() == b"precious"


def test_bad_models(run, clip, tmp_path):
    for model, message in (
        ("lanes-fcn-lit", "lanes-fcn-lit"),
        (clip, "is a file"),
        (tmp_path, "no card.json"),
    ):
        done = run(clip, model=model)
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())
    assert left(tmp_path) == ["drive.mp4"]


def test_labels_that_end_in_mid_clip_leave_nothing_behind(run, clip, tmp_path):
    (tmp_path / "truth").mkdir()
    for number in range(12):
        size = (96, 160) if number < 8 else (10, 10)
        cv2.imwrite(str(tmp_path / "truth" / f"{number:06d}.png"), np.zeros(size, np.uint8))
    done = run(clip, "--labels", "truth", "--json", "o.json")
    assert done.exit_code == 2
    assert "10x10, its frame 160x96" in " ".join(done.output.split())
    assert left(tmp_path) == ["drive.mp4", "truth"]


def test_a_truncated_clip_is_done_as_far_as_it_goes(run, tmp_path):
    # Our own output has its index in front, so that a part of it still decodes.
    make_clip(tmp_path / "whole.mp4", frames=60)
    assert run("whole.mp4").exit_code == 0
    content = (tmp_path / "whole_lanes.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    done = run("cut.mp4")
    assert done.exit_code == 1
    assert "could not be read" in " ".join(done.output.split())
    assert 0 < len(frames_of(tmp_path / "cut_lanes.mp4")) < 60


def test_an_encoder_that_fails_leaves_nothing_behind(run, clip, tmp_path, monkeypatch):
    def fail(sink, container, packets):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoSink, "_mux", fail)
    done = run(clip, "--json", "o.json")
    assert done.exit_code == 2
    assert "disk is full" in " ".join(done.output.split())
    assert left(tmp_path) == ["drive.mp4"]


def test_demo_renders_once_and_shows_an_iou(run, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_clip, "SIZE", (180, 320))
    monkeypatch.setattr(demo_clip, "SECONDS", 1)
    first = run("demo")
    assert first.exit_code == 0, first.output
    assert "IoU against the labels" in first.output
    assert len(frames_of(tmp_path / "demo_lanes.mp4")) == 30
    monkeypatch.setattr(demo_clip, "write_clip", None)
    second = run("demo")
    assert second.exit_code == 0, second.output


def test_show_tells_how_to_get_windows(run, clip, monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    done = run(clip, "--show")
    assert (done.exit_code, "there is no display" in done.output) == (2, True)
    assert "pip" not in done.output
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:    NONE\n")
    done = run(clip, "--show")
    assert done.exit_code == 2
    assert "pip uninstall -y opencv-python-headless && pip install opencv-python" in " ".join(
        done.output.split()
    )


def test_show_ends_by_q(run, clip, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:    GTK3\n")
    monkeypatch.setattr(cv2, "imshow", lambda name, image: shown.append(image.shape))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: ord("q"))
    assert run(clip, "--show").exit_code == 0
    assert shown == [(96, 160, 3)]


def test_models_are_listed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 0
    assert "lanes-fcn-lite" in done.output


def test_help_needs_no_engine():
    script = (
        "import sys; sys.argv = ['lanes-video', '--help']\n"
        "from lanes.cli.main import video_main\n"
        "try: video_main()\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'openvino', 'onnxruntime'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"--overwrite" in done.stdout


def test_the_models_labels_are_those_that_the_tests_expect():
    """A guard of the guards: the helper's rule gives all three classes on a ramp."""
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    assert set(np.unique(labels_of(np.stack([ramp] * 3, -1)))) == {0, 1, 2}


def test_a_clip_of_another_kind_is_a_warning_that_names_a_model(run, tmp_path):
    slide = np.full((96, 160, 3), 240, np.uint8)
    clip = make_clip(tmp_path / "smear.mp4", frames=3, draw=lambda number, size: slide)
    done = run(clip)
    assert done.exit_code == 0
    shown = " ".join(done.output.split())
    assert "warning: smear looks like a slide under a microscope" in shown
    assert "choose the model cells-count" in shown
