"""Meters: n ticks bound n - 1 intervals; percentiles of the last runs."""

from __future__ import annotations

import math

import pytest

from lanes.system.meters import LatencyMeter, RateMeter


def ticks(times, window=60):
    clock = iter(times)
    meter = RateMeter(window, clock=lambda: next(clock))
    for _ in times:
        meter.tick()
    return meter


def test_eleven_ticks_bound_ten_intervals():
    assert ticks([tenth / 10 for tenth in range(11)]).rate == pytest.approx(10)


@pytest.mark.parametrize("times", [[], [5.0], [5.0, 5.0]])
def test_no_rate_yet(times):
    assert ticks(times).rate == 0.0


def test_rate_is_of_the_last_window():
    assert ticks([0, 100, 101, 102], window=3).rate == pytest.approx(1)


def test_rate_by_the_machines_clock():
    meter = RateMeter()
    meter.tick()
    meter.tick()
    assert meter.rate > 0


def test_latency():
    meter = LatencyMeter()
    for millisecond in range(1, 101):
        meter.add(millisecond / 1000)
    assert meter.count == 100
    assert meter.mean == pytest.approx(0.0505)
    assert meter.percentile(50) == pytest.approx(0.0505)
    assert meter.percentile(95) == pytest.approx(0.09505)
    assert meter.percentile(100) == 0.1


def test_latency_keeps_a_window_but_counts_all():
    meter = LatencyMeter(window=2)
    for seconds in (9.0, 1.0, 2.0):
        meter.add(seconds)
    assert len(meter.seconds) == 2
    assert meter.count == 3
    assert meter.mean == pytest.approx(4)
    assert meter.percentile(100) == 2.0


def test_no_latency_yet():
    assert math.isnan(LatencyMeter().mean)
    assert math.isnan(LatencyMeter().percentile(50))
