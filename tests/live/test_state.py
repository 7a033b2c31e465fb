"""What a screen hears of a live pipeline: departures and lane changes."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from lanes import tasks
from lanes.lines.departure import Event
from lanes.live.state import Figures


def result(seconds, event=None):
    lane = SimpleNamespace(event=event)
    frame = SimpleNamespace(seconds=seconds, captured=0.0)
    return SimpleNamespace(
        frame=frame, seconds={}, number=0, task=tasks.load("lanes"), follower=object(), lane=lane
    )


def test_events_are_kept_once_in_seconds_of_the_input():
    figures = Figures(tasks.load("lanes"), threading.Condition())
    source = SimpleNamespace(live=False, origin=10.0)
    departure = Event("departure", "left", 12.0, 13.0, 0.1)
    change = Event("lane change", "right", 15.0, 16.0)
    for seconds, event in ((11.0, None), (13.0, departure), (16.0, change), (13.0, departure)):
        figures.publish(result(seconds, event), source)
    found = figures.snapshot("playing", None).events
    assert sorted((event.kind, event.start, event.end) for event in found) == [
        ("departure", 2.0, 3.0),
        ("lane change", 5.0, 6.0),
    ]
