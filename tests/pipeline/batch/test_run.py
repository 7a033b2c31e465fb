"""Batches with workers that only write a file: what is due, what is redone, and the manifest."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lanes.errors import BackendError, BadInput, BadModel, BadOutput
from lanes.pipeline.batch import cluster, run
from lanes.pipeline.batch.job import Job, Recipe, failed, new_row
from lanes.pipeline.batch.manifest import NAME, Row, read
from lanes.pipeline.batch.pool import Pool
from lanes.pipeline.batch.run import Choice, Workers, label, plan

TWO = Workers(count=2)


class Copier:
    """A worker that copies inputs; a text "broken" is a failure, "deadly" ends the worker."""

    def __init__(self, recipe, threads=1):
        self.recipe = recipe
        self.closed = threading.Event()

    def do(self, job: Job) -> Row:
        text = job.input.read_text()
        if self.closed.is_set() or text == "deadly":
            raise BackendError("killed")
        row = new_row(job, self.recipe)
        if text == "broken":
            return failed(row, "it is\nbroken")
        if text == "slow":
            self.closed.wait(60)
            raise BackendError("closed")
        (job.outdir / job.output).mkdir(parents=True, exist_ok=True)
        (job.outdir / job.output / "copy").write_text(text)
        return replace(row, frames=1)

    def close(self):
        self.closed.set()


@pytest.fixture
def batch(tmp_path, model_folder, monkeypatch):
    """Write inputs {name: text}, and label what is due of them with copiers."""
    monkeypatch.setattr(run, "LocalWorker", Copier)
    (tmp_path / "in").mkdir()

    def call(texts=(), model=model_folder, tick=None, **choice):
        for name, text in dict(texts).items():
            (tmp_path / "in" / name).write_text(text)
        recipe = Recipe(str(model), hud=choice.pop("hud", True))
        ticks = [tick] if tick else []
        return label(
            [str(tmp_path / "in")], tmp_path / "out", recipe, Choice(**choice), TWO, *ticks
        )

    return call


def rows(folder):
    return {Path(row.input).name: row for row in read(folder / "out" / NAME).values()}


def test_each_input_gets_a_folder_and_a_row(batch, tmp_path):
    done = batch({"a.mp4": "1", "a.png": "22", "c.mp4": "broken"})
    assert (done.done, done.failed, done.frames, done.bytes) == (2, 1, 2, 9)
    assert (tmp_path / "out/a.png/copy").read_text() == "22"
    found = rows(tmp_path)
    assert {name: row.state for name, row in found.items()} == {
        "a.mp4": "done",
        "a.png": "done",
        "c.mp4": "failed",
    }
    assert found["c.mp4"].error == "it is broken"
    assert (found["a.png"].output, found["a.png"].bytes) == ("a.png", 2)


def test_a_second_run_has_nothing_to_do(batch, tmp_path, monkeypatch):
    batch({"a.mp4": "1", "b.mp4": "broken"})
    before = (tmp_path / "out" / NAME).read_bytes()
    monkeypatch.setattr(run, "LocalWorker", None)
    again = batch()
    assert not again.plan.due
    assert again.plan.states == {"done": 1, "failed": 1}
    assert (tmp_path / "out" / NAME).read_bytes() == before


def test_only_what_is_new_changed_or_missing_is_done(batch, tmp_path):
    batch({"a.mp4": "1", "b.mp4": "2", "c.mp4": "3", "d.mp4": "broken"})
    (tmp_path / "out/b.mp4/copy").unlink()
    (tmp_path / "out/b.mp4").rmdir()
    again = batch({"c.mp4": "33", "e.mp4": "5"})
    reasons = {job.output: reason for job, reason in again.plan.due}
    assert reasons == {"b.mp4": "its results are missing", "c.mp4": "changed", "e.mp4": "new"}
    assert (tmp_path / "out/c.mp4/copy").read_text() == "33"
    assert len((tmp_path / "out" / NAME).read_text().splitlines()) == 6


def test_failed_ones_wait_until_they_are_asked_for_or_change(batch, tmp_path):
    batch({"a.mp4": "broken", "b.mp4": "broken"})
    assert [job.output for job, _ in batch({"b.mp4": "whole now"}).plan.due] == ["b.mp4"]
    assert batch(retry_failed=True).failed == 1
    assert rows(tmp_path)["b.mp4"].state == "done"


def test_checksums_see_content_and_not_times(batch, tmp_path):
    batch({"a.mp4": "1", "b.mp4": "2"}, checksum=True)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "in" / name).write_text({"a.mp4": "1", "b.mp4": "3"}[name])
        os.utime(tmp_path / "in" / name, ns=(1, 1))
    assert [job.output for job, _ in batch(checksum=True).plan.due] == ["b.mp4"]


def test_other_options_do_not_mix(batch, tmp_path):
    batch({"a.mp4": "1"})
    with pytest.raises(BadInput, match=r"hud=False.*--overwrite"):
        batch({"b.mp4": "2"}, hud=False)
    assert batch(hud=False, overwrite=True).done == 2
    assert {row.options for row in rows(tmp_path).values()} == {"hud=False"}


def test_a_limit_leaves_the_rest_for_the_next_run(batch):
    texts = {f"{n}.mp4": "1" for n in range(5)}
    assert batch(texts, limit=2).done == 2
    assert batch().done == 3


def test_a_plan_changes_nothing(batch, tmp_path, model_folder):
    (tmp_path / "in/a.mp4").write_text("1")
    planned = plan([str(tmp_path / "in")], tmp_path / "out", Recipe(str(model_folder)), Choice())
    assert [reason for _, reason in planned.due] == ["new"]
    assert not (tmp_path / "out").exists()


def test_an_input_of_a_list_that_is_missing_fails_until_it_is_there(batch, tmp_path, model_folder):
    (tmp_path / "in/list.txt").write_text("gone.mp4\n")
    given = [str(tmp_path / "in/list.txt")], tmp_path / "out", Recipe(str(model_folder)), Choice()
    (job, _), *others = plan(*given).due
    assert (job.input, job.size, others) == (tmp_path / "in/gone.mp4", 0, [])


def test_an_input_that_ends_its_workers_fails_alone(batch, tmp_path):
    done = batch({"a.mp4": "deadly", **{f"{n}.mp4": "1" for n in range(4)}})
    assert (done.done, done.failed) == (4, 1)
    assert "ended 2 workers" in rows(tmp_path)["a.mp4"].error


def test_a_bad_model_is_reported_before_anything_is_written(batch, tmp_path):
    with pytest.raises(BadModel):
        batch({"a.mp4": "1"}, model=tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_a_worker_that_cannot_start_ends_the_run(batch, monkeypatch):
    def broken(recipe, threads):
        raise BackendError("no memory")

    monkeypatch.setattr(run, "LocalWorker", broken)
    with pytest.raises(BackendError, match="no memory"):
        batch({"a.mp4": "1"})


def test_fewer_workers_do_when_others_cannot_start():
    made = []

    def make():
        made.append(1)
        if len(made) > 1:
            raise BackendError("no memory")
        return Slow(Recipe())

    class Slow(Copier):
        def do(self, job):
            time.sleep(0.05)
            return Row(str(job.input), "done")

    jobs = [Job(Path(f"/{n}"), Path("/out"), str(n)) for n in range(6)]
    found = [row.input for row in Pool(make, 3, Recipe()).label(jobs) if row]
    assert sorted(found) == [f"/{n}" for n in range(6)]


def test_ctrl_c_ends_the_workers_and_keeps_what_is_done(batch, tmp_path):
    def tick(progress, row):
        if row:
            signal.raise_signal(signal.SIGINT)

    texts = {"a.mp4": "1", "b.mp4": "slow", "c.mp4": "slow"}
    stopped = batch(texts, tick=tick)
    assert stopped.signal == signal.SIGINT
    assert set(rows(tmp_path)) == {"a.mp4"}
    rest = {"b.mp4": "1", "c.mp4": "1"}
    assert batch(rest).done == 2


def test_a_manifest_that_cannot_be_written_is_an_error(batch, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadOutput, match="out"):
        batch({"a.mp4": "1"})


@pytest.mark.parametrize(
    ("cores", "jobs", "workers", "wanted"),
    [
        (8, 100, Workers(), (4, 2)),
        (3, 100, Workers(), (1, 3)),
        (1, 100, Workers(), (1, 1)),
        (8, 3, Workers(), (3, 2)),
        (8, 1, Workers(), (1, 8)),
        (8, 100, Workers(threads=3), (2, 3)),
        (2, 100, Workers(count=4), (4, 1)),
        (2, 100, Workers(threads=4), (1, 4)),
    ],
)
def test_workers_share_the_cores(cores, jobs, workers, wanted):
    assert run.split(cores, jobs, workers) == wanted


@pytest.mark.parametrize(
    ("held", "threads", "gpus", "wanted"),
    [
        ({"CPU": 9.0}, 2, 0, 4),
        ({"CPU": 9.0, "GPU": 2.0}, 1, 0.5, 4),
        ({"CPU": 3, "GPU": 8}, 1, 1, 3),
    ],
)
def test_as_many_workers_as_fit_on_a_cluster(held, threads, gpus, wanted):
    ray = SimpleNamespace(cluster_resources=lambda: held)
    assert cluster.places(ray, threads, gpus) == wanted


def test_a_cluster_without_the_gpus_is_an_error():
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 9.0})
    with pytest.raises(BadInput, match="9 CPUs and 0 GPUs"):
        cluster.places(ray, 1, 1)
