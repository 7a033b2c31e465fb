import threading
import time

import numpy as np
import pytest

from clips import make_clip
from lanes import segmenter
from lanes.errors import BadInput
from lanes.images.resize import resize_image
from lanes.pipeline.stages import Background, prefetch, segment, timed
from lanes.video import VideoSource
from model_folders import labels_of


def threads():
    return {t.name for t in threading.enumerate()}


def test_prefetch_keeps_order_and_ends():
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert list(prefetch([])) == []
    assert "prefetch" not in threads()


def test_prefetch_reads_ahead_but_not_without_bound():
    read = []

    def source():
        for number in range(100):
            read.append(number)
            yield number

    items = prefetch(source(), depth=4)
    assert next(items) == 0
    time.sleep(0.3)
    # One was taken, four wait, one is in the reader's hand.
    assert 5 <= len(read) <= 6
    items.close()
    assert "prefetch" not in threads()


def test_prefetch_raises_the_sources_own_error_after_its_items():
    def source():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        for item in prefetch(source()):
            seen.append(item)
    assert seen == [1, 2]


def test_newest_drops_the_oldest_instead_of_waiting():
    def camera():
        for number in range(50):
            yield number
            time.sleep(0.002)

    seen = []
    for item in prefetch(camera(), depth=1, newest=True):
        seen.append(item)
        time.sleep(0.02)
    assert seen == sorted(set(seen))
    assert len(seen) < 30
    assert seen[-1] == 49


def test_background_consumes_in_order_and_finishes_before_the_block_ends():
    done = []

    def slow(item):
        time.sleep(0.01)
        done.append(item)

    with Background(slow, depth=2) as background:
        for number in range(10):
            background.put(number)
    assert done == list(range(10))
    assert "background" not in threads()


def test_background_error_reaches_the_caller_and_nothing_hangs():
    def fail(item):
        raise ValueError(f"bad {item}")

    with pytest.raises(ValueError, match="bad 0"), Background(fail, depth=1) as background:
        for number in range(1000):
            background.put(number)
    assert "background" not in threads()


def test_background_error_of_the_last_item_is_raised_at_the_end():
    def fail(item):
        time.sleep(0.05)
        raise ValueError("late")

    background = Background(fail)
    with pytest.raises(ValueError, match="late"), background:
        background.put(1)


def test_the_blocks_own_error_wins_and_drops_what_waits():
    done = []

    def slow(item):
        time.sleep(0.05)
        done.append(item)

    with pytest.raises(KeyError), Background(slow, depth=10) as background:
        for number in range(10):
            background.put(number)
        raise KeyError
    assert len(done) < 10


def test_ctrl_c_lets_what_waits_be_finished():
    done = []

    def slow(item):
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt), Background(slow, depth=10) as background:
        for number in range(10):
            background.put(number)
        raise KeyboardInterrupt
    assert done == list(range(10))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_segment_gives_each_frame_its_own_labels_in_order(tmp_path, model_folder, backend):
    def draw(number, size):
        return np.full((*size, 3), 20 + 18 * number, np.uint8)

    clip = make_clip(tmp_path / "x.mp4", frames=12, draw=draw)
    with segmenter.load(str(model_folder), backend) as loaded, VideoSource(clip) as source:
        results = list(segment(timed(source), loaded))
        assert [r.frame.index for r in results] == list(range(12))
        for result in results:
            image = resize_image(result.frame.bgr, loaded.card.resize)
            np.testing.assert_array_equal(result.labels, labels_of(image))
            assert set(result.seconds) == {"decode", "resize", "infer"}
            assert all(0 < s < 5 for s in result.seconds.values())
    assert {int(np.median(r.labels)) for r in results} == {0, 1, 2}


def test_an_engine_that_fails_ends_the_pipeline_with_its_error(tmp_path, model_folder, monkeypatch):
    clip = make_clip(tmp_path / "x.mp4", frames=12)
    with segmenter.load(str(model_folder), "onnxruntime") as loaded, VideoSource(clip) as source:
        calls = []

        def broken(pending):
            calls.append(pending)
            raise RuntimeError("the engine broke")

        monkeypatch.setattr(loaded.backend, "result", broken)
        with pytest.raises(RuntimeError, match="the engine broke"):
            list(segment(prefetch(timed(source)), loaded))
    # One failed; the other was owed, and is asked for so that the engine is free.
    assert len(calls) == loaded.depth == 2


def grey_clip(path, frames):
    """Each frame of one grey value, brighter from frame to frame."""
    return make_clip(
        path,
        frames=frames,
        draw=lambda number, size: np.full((*size, 3), 20 + 18 * number, np.uint8),
    )


class Recorded:
    """Notes what is asked of a backend, and in what order."""

    def __init__(self, backend):
        self.backend, self.calls, self.in_flight, self.most = backend, [], 0, 0
        self.depth = backend.depth

    def submit(self, images):
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        self.calls.append("submit")
        return self.backend.submit(images)

    def result(self, pending):
        self.in_flight -= 1
        self.calls.append("result")
        return self.backend.result(pending)

    def close(self):
        self.backend.close()


@pytest.mark.parametrize("every", [1, 2, 3, 12, 50])
def test_every_nth_frame_is_inferred_and_all_come_in_order(tmp_path, model_folder, every):
    clip = grey_clip(tmp_path / "x.mp4", 12)
    with segmenter.load(str(model_folder), "onnxruntime") as loaded, VideoSource(clip) as source:
        backend = loaded.backend = Recorded(loaded.backend)
        results = list(segment(timed(source), loaded, every))
    assert [r.frame.index for r in results] == list(range(12))
    assert [r.inferred for r in results] == [n % every == 0 for n in range(12)]
    assert (
        backend.calls.count("submit") == backend.calls.count("result") == len(range(0, 12, every))
    )
    assert backend.most <= backend.depth
    for result in results:
        key = result.frame.index // every * every
        assert (result.labels == np.median(results[key].labels)).all()
        stages = {"resize", "infer"} if result.inferred else {"carry"}
        assert set(result.seconds) == {"decode", *stages}
        assert all(0 < s < 5 for s in result.seconds.values())


def test_the_engine_has_its_next_image_before_the_caller_works_on_a_result(tmp_path, model_folder):
    clip = grey_clip(tmp_path / "x.mp4", 8)
    with segmenter.load(str(model_folder), "onnxruntime") as loaded, VideoSource(clip) as source:
        backend = loaded.backend = Recorded(loaded.backend)
        for number, _ in enumerate(segment(source, loaded)):
            # But for the end, where there is no next image.
            assert backend.in_flight == min(backend.depth, 7 - number)


@pytest.mark.parametrize("every", [0, -1])
def test_less_than_every_frame_is_refused(model_folder, every):
    with (
        segmenter.load(str(model_folder), "onnxruntime") as loaded,
        pytest.raises(BadInput, match=f"--infer-every {every}: wanted 1"),
    ):
        segment([], loaded, every)
