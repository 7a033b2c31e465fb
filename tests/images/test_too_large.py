"""Small files that claim gigabytes of pixels are refused by their header."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from bombs import png_bomb
from lanes.errors import BadInput
from lanes.images.read import read_picture
from lanes.video import open_source

LIMIT = 2_500_000_000
"""Bytes that a command may use; the pixels would take 2.7 GB, and as much again as BGR planes."""


@pytest.fixture
def bomb(tmp_path):
    """A PNG of 100 KB with 30,000 x 30,000 pixels."""
    return png_bomb(tmp_path / "bomb.png")


def test_a_picture_beyond_200_megapixels_is_refused(bomb):
    with pytest.raises(BadInput, match="bomb.png has too many pixels: 30000 x 30000; wanted"):
        read_picture(bomb)
    with pytest.raises(BadInput, match="too many pixels"):
        open_source(bomb)


@pytest.mark.parametrize("command", ["video", "image"])
def test_a_command_needs_no_memory_to_refuse_it(bomb, command, model_folder):
    words = [sys.executable, "-m", "lanes.cli", command, str(bomb), "--model", str(model_folder)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )
    assert (done.returncode, "too many pixels" in done.stderr) == (2, True), done.stderr
