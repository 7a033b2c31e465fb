"""A small model, and a clip of fifty numbered frames, for what `lanes.live` plays."""

from __future__ import annotations

import threading

import pytest

from clips import make_clip
from lanes import segmenter


@pytest.fixture(scope="module")
def model(model_folder):
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        yield loaded


@pytest.fixture
def shared(model_folder):
    """One that several may use, or whose results a test delays."""
    with segmenter.load(str(model_folder), "onnxruntime") as loaded:
        yield loaded.shared()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Fifty numbered frames in two seconds, a key frame every ten."""
    return make_clip(tmp_path_factory.mktemp("clips") / "drive.mp4", 50, gop=10)


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert not {"live", "prefetch", "background"} & set(names)
