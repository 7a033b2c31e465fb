"""`lanes camera calibrate` on rendered chessboards of a camera with a known focal length."""

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from lanes.cli.main import app
from lanes.lines.camera import read_calibration

SIZE = (480, 640)
FOCAL = 520.0
SQUARE = 40


def board(across=9, down=6):
    """A chessboard with so many inner corners, with a white edge."""
    rows, columns = np.mgrid[: (down + 1) * SQUARE, : (across + 1) * SQUARE] // SQUARE
    return np.pad(((rows + columns) % 2 * 255).astype(np.uint8), SQUARE, constant_values=255)


def photograph(tilt, turn, away=900.0, aside=(0.0, 0.0)):
    """The board as the camera sees it, turned by radians."""
    flat = board()
    middle = np.array([flat.shape[1] / 2, flat.shape[0] / 2])
    rotation = cv2.Rodrigues(np.array([tilt, turn, 0.1]))[0]
    shift = np.array([*aside, away])
    camera = np.array([[FOCAL, 0, SIZE[1] / 2], [0, FOCAL, SIZE[0] / 2], [0, 0, 1]])
    plane = np.stack([rotation[:, 0], rotation[:, 1], shift], axis=1)
    centred = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
    view = cv2.warpPerspective(flat, camera @ plane @ centred, SIZE[::-1], borderValue=110)
    return cv2.cvtColor(cv2.GaussianBlur(view, (3, 3), 0), cv2.COLOR_GRAY2BGR)


@pytest.fixture
def calibrate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards").mkdir()
    for number, angles in enumerate([(0.5, 0), (-0.5, 0.1), (0, 0.6), (0.3, -0.5), (0.4, 0.4)]):
        cv2.imwrite(str(tmp_path / "boards" / f"{number}.png"), photograph(*angles))

    def run(*words):
        return CliRunner().invoke(app, ["camera", "calibrate", *map(str, words)])

    return run


def test_the_focal_length_is_found_and_read_again(calibrate, tmp_path):
    cv2.imwrite(str(tmp_path / "boards" / "empty.png"), np.full((*SIZE, 3), 90, np.uint8))
    done = calibrate("boards", "--height", "1.35", "--pitch", "2")
    assert done.exit_code == 0, done.output
    assert "no chessboard in boards/empty.png" in done.output
    camera = read_calibration(tmp_path / "camera.toml")
    assert camera.focal(SIZE) == pytest.approx(FOCAL, rel=0.02)
    assert camera.height == 1.35
    assert camera.pitch == pytest.approx(np.deg2rad(2))
    assert calibrate("boards", "--height", "1.35").exit_code == 2
    assert calibrate("boards", "--height", "1.35", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["boards", "--height", "1.3", "--corners", "8x5"], "is in 0 of 5 pictures"),
        (["boards/0.png", "--height", "1.3"], "is in 1 of 1 pictures; wanted 4"),
        (["boards", "--height", "130"], "height is 130.0; wanted a number from 0.2 to 10"),
        (["boards", "--height", "1.3", "--pitch", "90"], "pitch is 90.0"),
        (["boards", "--height", "1.3", "--corners", "nine"], "--corners nine: wanted two numbers"),
        (["nowhere", "--height", "1.3"], "nowhere"),
        (["boards", "--height", "1.3", "-o", "boards/0.png"], "must end in .toml"),
    ],
)
def test_what_cannot_be_calibrated_is_a_sentence(calibrate, tmp_path, words, message):
    before = sorted(path.name for path in tmp_path.rglob("*"))
    done = calibrate(*words, "--overwrite")
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_pictures_of_two_sizes_are_refused(calibrate, tmp_path):
    cv2.imwrite(str(tmp_path / "boards" / "z.png"), np.full((100, 120, 3), 90, np.uint8))
    done = calibrate("boards", "--height", "1.3")
    assert "z.png is 120x100, the pictures before 640x480" in " ".join(done.output.split())
