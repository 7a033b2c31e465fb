"""The examples of the first minute come with the package, ready to play."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit")

from dashboard_pages import examples
from dashboard_pages.examples import EXAMPLES
from dashboard_pages.settings import Settings

from app_pages import labels, players, until
from lanes import assets
from lanes.video import open_source

MOST_BYTES = 2_000_000


def test_the_examples_are_small():
    assert sum(path.stat().st_size for path in examples.FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_has_its_clip_and_picture(example, tmp_path):
    clip = example.clip(tmp_path)
    with open_source(clip.input) as source:
        count = sum(1 for _ in source)
        assert count == source.frames == 100
    picture = cv2.imdecode(np.frombuffer(example.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == source.size
    assert clip.loop


def test_only_examples_with_a_model_are_offered(model_folder):
    assert not list(examples.offered(Settings()))
    own = Settings(models=(("mine", model_folder),))
    assert [(each.name, model) for each, model in examples.offered(own)] == [
        ("motorway", "mine"),
        ("rain", "mine"),
    ]
    models = tuple((name, assets.model_folder(name)) for name in assets.model_names())
    offered = list(examples.offered(Settings(models=models)))
    assert [model for _, model in offered] == [example.model for example in EXAMPLES]


def test_an_example_plays_at_a_click(open_page):
    page = open_page("live")
    assert labels(page.button)[:2] == ["Run the demo", "Rain at night"]
    page.button(key="example-rain").click().run()
    assert not page.exception
    until(lambda: players()["live"].live.snapshot().frames)
    assert players()["live"].clip.stem == "rain"
