"""Inputs, names and outputs as they happen: a sentence or a result, never a traceback."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from clips import make_clip
from lanes import label_video
from lanes.cli.video import _report
from lanes.errors import BadInput
from lanes.pipeline.label_video import Summary
from lanes.video import open_source


def frames_in(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def process(model_folder, *args, **streams):
    """Run `lanes video ARGS` in a process of its own, with its standard streams."""
    words = [sys.executable, "-m", "lanes.cli", "video", *map(str, args), "--model", model_folder]
    return subprocess.run([str(w) for w in words], stderr=subprocess.PIPE, check=False, **streams)


@pytest.mark.parametrize("option", ["--start", "--end", "--seconds"])
@pytest.mark.parametrize("value", ["nan", "-inf"])
def test_a_time_that_is_no_number_is_refused(run, tmp_path, option, value):
    make_clip(tmp_path / "a.mp4", frames=3)
    done = run("a.mp4", f"{option}={value}")
    assert (done.exit_code, value in done.stderr) == (2, True)
    assert not list(tmp_path.glob("*_lanes*"))


def test_a_limit_beyond_all_counting_is_none(run, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    assert run("a.mp4", "--max-frames", 10**30).exit_code == 0
    assert frames_in(tmp_path / "a_lanes.mp4") == 3


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(run, tmp_path, name):
    cv2.imwrite(str(tmp_path / "own.png"), np.zeros((64, 96, 3), np.uint8))
    done = run(name)
    assert (done.exit_code, "is empty" in done.stderr) == (2, True)


@pytest.mark.parametrize("letter", ["n", "ü", "道"])
def test_the_longest_name_gets_an_output(run, tmp_path, letter):
    name = letter * ((255 - 4) // len(letter.encode()))
    make_clip(tmp_path / f"{name}.mp4", frames=3)
    assert run(f"{name}.mp4").exit_code == 0
    (output,) = tmp_path.glob("*_lanes.mp4")
    assert name.startswith(output.stem.removesuffix("_lanes"))


def test_a_name_longer_than_any_file_is_refused(run, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    for words in (["n" * 300 + ".mp4"], ["a.mp4", "-o", "n" * 300 + ".mp4"]):
        done = run(*words)
        assert (done.exit_code, "too long" in done.stderr) == (2, True), done.output


def test_a_broken_link_says_where_it_leads(run, tmp_path):
    (tmp_path / "a.mp4").symlink_to("gone.mp4")
    done = run("a.mp4")
    assert (done.exit_code, "a link to gone.mp4" in done.stderr) == (2, True)


def test_a_folder_of_videos_is_done_one_by_one(run, tmp_path):
    folder = tmp_path / "drives"
    folder.mkdir()
    for name in ("2.mp4", "10.MOV"):
        make_clip(folder / name, frames=3)
    (folder / "notes.txt").write_text("not a video")
    done = run(folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.index("2_lanes.mp4") < done.stdout.index("10_lanes.mp4")
    assert run(folder, "--overwrite").exit_code == 0
    assert len(list(folder.glob("*_lanes.mp4"))) == 2, "results are not labelled again"
    with pytest.raises(BadInput, match="4 videos, such as .*10.MOV; name one"):
        label_video(folder, tmp_path / "out.mp4")


def test_a_folder_of_both_says_what_is_left_out(run, tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    make_clip(folder / "a.mp4", frames=3)
    cv2.imwrite(str(folder / "1.png"), np.zeros((64, 96, 3), np.uint8))
    done = run(folder)
    assert (done.exit_code, "holds 1 videos, such as a.mp4" in done.stderr) == (0, True)


def test_a_picture_of_several_says_that_one_is_used(run, tmp_path):
    pages = [np.full((64, 96, 3), grey, np.uint8) for grey in (0, 100)]
    cv2.imwritemulti(str(tmp_path / "pages.tif"), pages)
    done = run("pages.tif")
    assert (done.exit_code, "holds 2 pictures" in done.stderr) == (0, True)


def test_masks_of_0_and_255_are_not_scored_as_unknown(run, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=3)
    (tmp_path / "truth").mkdir()
    mask = np.zeros((96, 160), np.uint8)
    mask[50:] = 255
    for number in range(3):
        cv2.imwrite(str(tmp_path / "truth" / f"{number:06d}.png"), mask)
    done = run("a.mp4", "--labels", "truth")
    assert (done.exit_code, "such as 1 for drivable" in done.stderr) == (2, True)


def test_a_video_may_come_through_a_pipe(tmp_path, model_folder):
    clip = make_clip(tmp_path / "a.mkv", frames=5)
    with clip.open("rb") as file:
        done = process(model_folder, "-", "-o", tmp_path / "out.mp4", stdin=file)
    assert done.returncode == 0, done.stderr
    assert frames_in(tmp_path / "out.mp4") == 5
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cp", str(clip), str(fifo)]):
        done = process(model_folder, fifo, "-o", tmp_path / "out2.mp4")
    assert done.returncode == 0, done.stderr
    assert frames_in(tmp_path / "out2.mp4") == 5


def test_a_signal_ends_the_wait_for_a_pipe_that_sends_nothing(tmp_path, model_folder):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = [sys.executable, "-m", "lanes.cli", "video", fifo, "--model", model_folder]
    run = subprocess.Popen(words, stderr=subprocess.PIPE, cwd=tmp_path)
    with run, open(fifo, "wb"):  # opens when the other end does, too
        time.sleep(0.5)
        run.terminate()
        said = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 143
    assert said in ("interrupted before the first frame\n", "ended by SIGTERM\n")
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_a_signal_ends_the_wait_for_a_pipe_that_nobody_opens(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            open_source(tmp_path / "fifo")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_summary_without_frames_is_one_line(capsys):
    summary = Summary(signal=signal.SIGTERM)
    _report(Console(), "a.mp4", None, summary)
    assert capsys.readouterr() == ("", "interrupted before the first frame\n")


def test_a_pipe_without_a_video_is_refused(tmp_path, model_folder):
    done = process(model_folder, "-", cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert (done.returncode, b"through stdin" in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["full", "closed", "gone"])
def test_output_that_cannot_be_printed_loses_no_video(tmp_path, model_folder, where):
    clip = make_clip(tmp_path / "a.mp4", frames=3)
    if where == "full":
        with open("/dev/full", "w") as full:
            done = process(model_folder, clip, stdout=full)
    elif where == "closed":
        done = process(model_folder, clip, stdout=None, preexec_fn=lambda: os.close(1))
    else:
        read, write = os.pipe()
        os.close(read)
        done = process(model_folder, clip, stdout=write)
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
    assert frames_in(tmp_path / "a_lanes.mp4") == 3


# ------------------------------------------------------------------ sound


def has_sound(path):
    with av.open(str(path)) as container:
        return (
            any(packet.size for packet in container.demux(audio=0))
            if container.streams.audio
            else False
        )


def test_sound_of_a_file_address_is_kept(run, tmp_path):
    make_clip(tmp_path / "a b.mp4", frames=10, audio="aac")
    assert run(f"file://{tmp_path}/a%20b.mp4").exit_code == 0
    assert has_sound(tmp_path / "a b_lanes.mp4")


def test_sound_of_a_web_address_is_kept(run, tmp_path):
    make_clip(tmp_path / "a.mp4", frames=10, audio="aac")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        done = run(f"http://127.0.0.1:{server.server_port}/a.mp4", "-o", "b.mp4")
        server.shutdown()
    assert (done.exit_code, "warning" in done.stderr) == (0, False), done.stderr
    assert has_sound(tmp_path / "b.mp4")


@pytest.mark.parametrize("kind", ["matroska", "mpegts"])
def test_sound_of_a_pipe_is_kept(tmp_path, model_folder, kind):
    path = make_clip(tmp_path / "a", frames=50, audio="aac", format=kind)
    with path.open("rb") as file:
        done = process(model_folder, "-", "-o", tmp_path / "b.mp4", stdin=file)
    assert (done.returncode, done.stderr) == (0, b"")
    with av.open(str(tmp_path / "b.mp4")) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(2, abs=0.1)
