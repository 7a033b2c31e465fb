"""The demo in the user's cache, also when several draw it at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest

from clips import read
from lanes.errors import BadOutput
from lanes.pipeline import demo_clip

FRAMES = 4


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty one, and a demo so small that it is quick to draw."""
    monkeypatch.setattr("lanes.assets.cache_folder", lambda name: tmp_path)
    monkeypatch.setattr(demo_clip, "SIZE", (96, 160))
    monkeypatch.setattr(demo_clip, "SECONDS", Fraction(FRAMES, 30))
    return tmp_path


def both(draw, *tasks):
    """What `draw` gives for each task, all begun before one has ended."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(draw, tasks))


def test_two_tasks_with_the_same_demo_may_draw_it_at_once(cache):
    together = threading.Barrier(2)

    def draw(task):
        def met(done, total):
            if done == FRAMES // 2:
                together.wait(20)

        return demo_clip.demo_files(met, task)

    one, other = both(draw, "lanes", "road_scene")
    assert one == other
    assert [len(read(path)[0]) for path in one] == [FRAMES, FRAMES]
    assert sorted(cache.iterdir()) == sorted(one)


def test_two_may_draw_the_same_pictures_at_once(cache, monkeypatch):
    together = threading.Barrier(2)
    plain = demo_clip.write_image

    def met(path, image):
        if path.name == "demo_2.png":
            together.wait(20)
        plain(path, image)

    monkeypatch.setattr(demo_clip, "write_image", met)
    one, other = both(demo_clip.demo_pictures, "blood_cells", "blood_cells")
    assert one == other
    assert len(list(one.glob("*.png"))) == demo_clip.PICTURES
    assert list(cache.iterdir()) == [one]


@pytest.mark.parametrize("which", [0, 1])
def test_a_clip_or_labels_alone_are_drawn_again(cache, which):
    demo_clip.demo_files()[which].unlink()
    assert all(path.exists() for path in demo_clip.demo_files())


def test_a_drawing_that_breaks_off_leaves_nothing(cache):
    def refuse(done, total):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        demo_clip.demo_files(refuse)
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    ("draw", "call"),
    [(demo_clip.demo_files, "os.fsync"), (demo_clip.demo_pictures, "pathlib.Path.mkdir")],
)
def test_a_cache_without_room_is_an_error(cache, monkeypatch, draw, call):
    def full(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, full)
    with pytest.raises(BadOutput, match=r"cannot be written.*(disk is full|No space left)"):
        draw(task="lanes")
    assert not list(cache.iterdir())
