"""No output replaces something that is read."""

import os

import av
import cv2
import pytest

from clips import make_clip, picture


@pytest.fixture
def precious(run, clip, tmp_path):
    """Inputs of every kind; all that a test must not change."""
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "other").mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:06d}.png"), picture(number))
    cv2.imwrite(str(tmp_path / "road.png"), picture(1))
    (tmp_path / "link.mp4").symlink_to(clip)
    os.link(clip, tmp_path / "hard.mp4")
    make_clip(tmp_path / "other" / "drive.mp4", 2)
    make_clip(tmp_path / "drive.mov", 2)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile 'drive.mp4'\n")
    return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["drive.mp4", "-o", "drive.mp4"], "drive.mp4 is the input itself"),
        (["drive.mp4", "-o", "out/../drive.mp4"], "is the input itself"),
        (["drive.mp4", "-o", "link.mp4"], "is the input itself"),
        (["link.mp4", "-o", "drive.mp4"], "is the input itself"),
        (["drive.mp4", "-o", "hard.mp4"], "is the input itself"),
        (["file://{here}/drive.mp4", "-o", "drive.mp4"], "is the input itself"),
        (["list.ffconcat", "-o", "drive.mp4"], "is the input itself"),
        (["drive.mp4", "--json", "drive.mp4"], "is the input itself"),
        (["drive.mp4", "--json", "out.mp4", "-o", "out.mp4"], "two results would be written to"),
        (["drive.mp4", "--json", "drive_lanes.mp4"], "two results would be written to"),
        (["drive.mp4", "--labels", "images", "--json", "images/000000.png"], "is the input itself"),
        (["images", "--json", "images/000000.png"], "is the input itself"),
        (["images", "--masks", "images"], "images holds the images that are read"),
        (["images/*.png", "--masks", "out/../images"], "holds the images that are read"),
        (["road.png", "--masks", "."], "holds the images that are read"),
        (["drive.mp4", "--labels", "images", "--masks", "images"], "holds the images that are"),
        (["drive.mp4", "other/drive.mp4", "-o", "out"], "two results would be written to out/"),
        (["drive.mp4", "drive.mov"], "two results would be written to"),
        (["drive.mp4", "drive.mp4"], "two results would be written to"),
    ],
)
def test_nothing_that_is_read_is_replaced(run, tmp_path, precious, words, message):
    done = run(*(word.format(here=tmp_path) for word in words), "--overwrite")
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == precious


def test_an_output_that_is_another_input_is_refused(run, clip, tmp_path):
    assert run(clip).exit_code == 0
    before = (tmp_path / "drive_lanes.mp4").read_bytes()
    done = run(clip, "drive_lanes.mp4", "--overwrite")
    assert (done.exit_code, "is the input itself" in " ".join(done.output.split())) == (2, True)
    assert (tmp_path / "drive_lanes.mp4").read_bytes() == before


def test_a_file_address_is_a_file(run, clip, tmp_path):
    clip.rename(tmp_path / "my drive.mp4")
    assert run(f"file://{tmp_path}/my%20drive.mp4").exit_code == 0
    with av.open(str(tmp_path / "my drive_lanes.mp4")) as container:
        assert len(container.streams.audio) == 1
