"""A real Ray cluster of two nodes on this machine; one node is removed in mid-run."""

from __future__ import annotations

import csv
import os
import threading
import time

import pytest

from clips import make_clip
from ended import frames_of
from lanes.errors import BadInput, BadModel
from lanes.pipeline.batch.job import Recipe
from lanes.pipeline.batch.manifest import NAME, UNFINISHED
from lanes.pipeline.batch.run import Choice, Workers, label

CLIPS, FRAMES = 6, 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),  # Ray leaves sockets and processes to the collector
]


@pytest.fixture(scope="module")
def two_nodes():
    """A cluster of two nodes with one CPU each, and the second node."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    try:
        second = cluster.add_node(num_cpus=1, num_gpus=0)
        cluster.wait_for_nodes(timeout=300)
        yield cluster, second
    finally:
        cluster.shutdown()


@pytest.fixture
def clips(tmp_path):
    """Short clips, and two long ones, so that both workers are busy when a node goes."""
    (tmp_path / "in").mkdir()
    for number in range(CLIPS):
        make_clip(tmp_path / "in" / f"{number}.mp4", frames=FRAMES)
    for number in range(2):
        make_clip(tmp_path / "in" / f"long{number}.mp4", frames=400)
    return tmp_path / "in"


def run(folder, model, cluster, tick=lambda progress, row: None, **choice):
    recipe = Recipe(str(model), backend="onnxruntime")
    workers = Workers(address=cluster.address)
    return label([str(folder)], folder.parent / "out", recipe, Choice(**choice), workers, tick)


def test_an_address_without_a_cluster_is_one_error(clips, model_folder, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    recipe, workers = Recipe(str(model_folder)), Workers(address="auto")
    with pytest.raises(BadInput, match="no Ray cluster at 'auto'"):
        label([str(clips)], clips.parent / "out", recipe, Choice(), workers)


def test_a_model_that_no_worker_can_load_is_one_error(two_nodes, clips, model_folder, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "card.json").write_bytes((model_folder / "card.json").read_bytes())
    (folder / "model.onnx").write_text("no network")
    with pytest.raises(BadModel):
        run(clips, folder, two_nodes[0])


def test_a_worker_that_fits_nowhere_is_one_error(two_nodes, clips, model_folder):
    recipe, workers = Recipe(str(model_folder)), Workers(threads=64, address=two_nodes[0].address)
    with pytest.raises(BadInput, match="2 CPUs"):
        label([str(clips)], clips.parent / "out", recipe, Choice(), workers)


def test_a_node_is_lost_in_mid_run(two_nodes, clips, model_folder):
    cluster, second = two_nodes
    removed = []

    def tick(progress, row):
        if row and not removed:
            assert progress.workers == 2
            removed.append(threading.Thread(target=cluster.remove_node, args=(second, False)))
            removed[0].start()

    began = time.monotonic()
    done = run(clips, model_folder, cluster, tick)
    print(f"{done.done} inputs in {time.monotonic() - began:.1f} s")
    removed[0].join()
    out = clips.parent / "out"
    with (out / NAME).open() as file:
        table = list(csv.DictReader(file))
    assert sorted(row["output"] for row in table) == sorted(p.name for p in clips.iterdir())
    assert {row["state"] for row in table} == {"done"}
    for row in table:
        path = out / row["output"] / f"{row['output'].removesuffix('.mp4')}_lanes.mp4"
        assert frames_of(path) == int(row["frames"]) == (400 if "long" in path.name else FRAMES)
    assert not (out / UNFINISHED).exists()
    assert not run(clips, model_folder, cluster).plan.due
