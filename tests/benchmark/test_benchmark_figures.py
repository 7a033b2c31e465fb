"""The parts of `lanes benchmark`: turns, starts, tables and charts."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import cv2
import numpy as np
import pytest
from rich.console import Console

from lanes.benchmark import chart, checks, start, tables, turns
from lanes.benchmark.checks import Check
from lanes.benchmark.models import Benchmark, Figures
from lanes.benchmark.plan import Configuration
from lanes.benchmark.start import Start, start_once
from lanes.benchmark.turns import Loaded, Timed, Timing, Turn, TurnTimer, ratio, take_turns
from lanes.errors import BackendError
from lanes.metrics.figures import Figure, Kind
from lanes.system.machine import machine
from model_folders import grey

ENGINE = "onnxruntime"
GREYS = (10, 120, 240, 10)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short turns, plain images; the export is the reference: torch cannot run these models."""
    monkeypatch.setattr(turns, "TURN", 0.05)
    monkeypatch.setattr(checks.drawn, "frames", lambda task: [grey(GREYS)])
    monkeypatch.setattr(checks, "REFERENCES", ((ENGINE, "fp32"),))
    monkeypatch.setenv("COLUMNS", "80")


class Counting:
    """A runner that records the most images in flight."""

    name, precision, depth = "counting", "none", 3

    def __init__(self):
        self.flying, self.most, self.order, self.next = 0, 0, [], 0

    def submit(self, image):
        self.flying += 1
        self.most = max(self.most, self.flying)
        self.next += 1
        return self.next

    def result(self, pending):
        self.flying -= 1
        self.order.append(pending)


def test_a_timer_keeps_the_engine_full_and_takes_results_in_order():
    runners = {}

    def load(hint):
        runners[hint] = Counting()
        return runners[hint]

    timer = TurnTimer(load, [np.zeros(1)])
    turn = timer.turn(0.01)
    assert list(runners) == ["latency", "throughput"]
    assert runners["latency"].most == 1
    assert runners["throughput"].most == Counting.depth
    for runner in runners.values():
        assert runner.flying == 0
        assert runner.order == sorted(runner.order)
    assert len(turn.latencies) >= 3
    assert all(seconds >= 0 for seconds in turn.latencies)
    assert turn.throughput > 0
    assert timer.details().engine == "counting"


def test_figures_of_known_turns():
    loaded = Loaded("x", "fp32", load=1.0, first=0.5, memory=7)
    made = [Turn((0.1, 0.2, 0.3), 5.0), Turn((0.4, 0.5, 0.6), 9.0), Turn((0.7, 0.8, 0.9), 6.0)]
    timed = turns._timed(loaded, made)
    assert timed.timing.p50 == pytest.approx(0.5)
    assert timed.timing.p99 == pytest.approx(np.percentile(np.arange(1, 10) / 10, 99))
    assert timed.timing.images == 9
    assert timed.timing.throughput == 6.0  # the median: one slow or quick turn changes nothing
    assert timed.medians == pytest.approx((0.2, 0.5, 0.8))
    # Twice as slow in each round, whatever the machine's speed was then.
    slow = Timed(loaded, timed.timing, tuple(2 * seconds for seconds in timed.medians))
    assert ratio(slow, timed) == pytest.approx(2)


def test_a_process_that_dies_mid_run_is_reported(monkeypatch):
    class Dying:
        def __init__(self, *arguments):
            self.turns = 0

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def call(self, method, *arguments):
            self.turns += 1
            if self.turns == 2:
                raise BackendError("the process crashed by signal 11 (SIGSEGV)")
            return Turn((0.1,), 1.0)

    monkeypatch.setattr(turns, "FreshProcess", Dying)
    done = []
    found, failed = take_turns({"one": (Counting, [])}, 3, done.append)
    assert not found
    assert failed == {"one": "the process crashed by signal 11 (SIGSEGV)"}
    assert done == [1, 2, 3]


def benchmark(accuracy, models=("lanes-fcn-lite", "camvid-fcn")):
    """A benchmark with made-up figures of every kind."""
    engines = (("classical", "uint8"), ("openvino", "bf16"), ("openvino", "fp32"), (ENGINE, "fp32"))
    figures = tuple(
        Figures(
            Configuration(model, backend, precision),
            size=0 if backend == "classical" else 9_818_702,
            timing=Timing(0.25, 0.31, p50, p50 * 1.1, p50 * 1.25, 300, 1 / p50, 412_000_000),
            check=Check(
                "bdd100k",
                "torch fp32",
                0.99996,
                tuple(replace(figure, value=figure.value + p50) for figure in accuracy),
            ),
            times_torch=123.4,
            start=Start(12.34, 0.87),
        )
        for model in models
        for p50, (backend, precision) in zip((0.0162, 0.029, 0.0334, 0.104), engines, strict=True)
    )
    facts = replace(machine(), load=0.0)
    return Benchmark(facts, 10, figures, {"x in y": "broken"}, {"tensorrt": "not installed"})


ACCURACY = (
    Figure("drivable", Kind.IOU, 0.78, dataset="bdd100k"),
    Figure("teacher", Kind.F4, 0.83, dataset="bdd100k"),
    Figure("lane line", Kind.IOU, 0.38, dataset="tusimple"),
    Figure("lane line", Kind.F4, 0.84, dataset="tusimple"),
)


def test_tables_fit_into_80_columns_with_nothing_cut_off():
    console = Console(width=80, record=True, file=StringIO())
    tables.show(benchmark(ACCURACY), console)
    shown = console.export_text()
    in_tables = [line for line in shown.splitlines() if line.startswith(" ")]
    assert max(map(len, in_tables)) <= 80
    assert "\u2026" not in shown
    # Columns keep their places, whatever the first row lacks.
    heads = next(line.split() for line in shown.splitlines() if "on disk" in line)
    assert heads == ["on", "disk", "load", "first", "memory", "start", "start"]
    for word in ("openvino bf16", "16.2", "99.99 %", "123.4", "412", "12.34", "0.87", "0.796"):
        assert word in shown, word
    assert "torch fp32 on bdd100k" in shown.replace("as ", "").replace(",", "")
    assert "failed: x in y: broken" in shown
    assert "left out: tensorrt: not installed" in shown
    assert "do not trust" not in shown


def test_a_busy_machine_gets_a_warning():
    console = Console(width=80, record=True, file=StringIO())
    found = benchmark(())
    tables.show(replace(found, machine=replace(found.machine, load=99.0)), console)
    assert "do not trust the times" in console.export_text()


@pytest.mark.parametrize("accuracy", [(), ACCURACY])
def test_charts_are_pictures(accuracy, tmp_path):
    chart.write_chart(benchmark(accuracy), tmp_path / "chart.png")
    picture = cv2.imread(str(tmp_path / "chart.png"))
    assert 600 < picture.shape[1] < 3000
    assert 400 < picture.shape[0] < 3000
    assert len(np.unique(picture)) > 50  # lines, letters and colours
    assert [p.name for p in tmp_path.iterdir()] == ["chart.png"]


def test_a_start_is_timed_from_outside(model_folder, tmp_path):
    one = Configuration(str(model_folder), ENGINE, "fp32")
    assert 0.05 < start_once(one, tmp_path) < 60
    with pytest.raises(BackendError, match="has no 'fp4'"):
        start_once(replace(one, precision="fp4"), tmp_path)


def test_a_start_that_fails_costs_no_other_figure(monkeypatch):
    def once(one, cache):
        if one.precision == "bf16":
            raise BackendError("broken")
        return 1.0 if cache in seen else seen.append(cache) or 3.0

    seen = []
    monkeypatch.setattr(start, "start_once", once)
    good, bad = (Configuration("x", ENGINE, precision) for precision in ("fp32", "bf16"))
    done = []
    found, failed = start.starts([good, bad], done.append)
    assert found == {good: Start(cold=3.0, warm=1.0)}
    assert failed == {bad: "broken"}
    assert done == list(range(1, 2 * (start.ROUNDS + 1) + 1))
