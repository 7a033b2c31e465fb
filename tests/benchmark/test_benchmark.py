"""`lanes benchmark`: plausible figures, equal labels, tables, charts, JSON and clear errors."""

from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from clips import make_clip
from lanes.benchmark import chart, checks, network, turns
from lanes.benchmark.plan import PlanOptions, plan
from lanes.cli.main import app
from lanes.errors import BadInput, BadModel
from model_folders import SIZE, grey, make_model

ENGINE = "onnxruntime"
GREYS = (10, 120, 240, 10)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short turns, plain images; the export is the reference: torch cannot run these models."""
    monkeypatch.setattr(turns, "TURN", 0.05)
    monkeypatch.setattr(checks.drawn, "frames", lambda task: [grey(GREYS)])
    monkeypatch.setattr(checks, "REFERENCES", ((ENGINE, "fp32"),))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `lanes benchmark ARGS` in tmp_path; returns the exit code and the output."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        done = CliRunner().invoke(app, ["benchmark", *map(str, args)])
        assert "Traceback" not in done.output
        return done.exit_code, done.output

    return call


@pytest.fixture
def data(tmp_path):
    """A data set whose truth equals the model's labels, except in one quarter of one image."""
    for index, truth in enumerate(([0, 1, 2, 0], [0, 1, 2, 1])):
        labels = np.repeat(np.array([truth], np.uint8), SIZE[1] // 4, 1).repeat(SIZE[0], 0)
        for folder, picture in (("images", grey(GREYS)), ("labels", labels)):
            path = tmp_path / "own" / "val" / folder / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return tmp_path / "own"


def write_network(path, shapes=((1, 3, 8, 8),), kind=TensorProto.FLOAT):
    """An ONNX network that adds its inputs, or returns its only one."""
    names = [f"x{number}" for number in range(len(shapes))]
    inputs = [helper.make_tensor_value_info(n, kind, s) for n, s in zip(names, shapes, strict=True)]
    output = helper.make_tensor_value_info("y", kind, None)
    node = helper.make_node("Add" if len(names) > 1 else "Identity", names, ["y"])
    opset = [helper.make_opsetid("", 18)]
    graph = helper.make_graph([node], "other", inputs, [output])
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def test_models_and_another_network_in_one_run(run, model_folder, data, tmp_path):
    other = write_network(tmp_path / "other.onnx", ((1, 3, "height", "width"),))
    code, shown = run(
        *("models", model_folder, "--onnx", other, "--shape", "1,3,16,24"),
        *("--backends", ENGINE, "--rounds", 2, "--data", f"image_folder={data}"),
        *("--json", "figures.json", "--chart", "chart.png"),
    )
    assert code == 0, shown
    for word in (
        "thresholds",
        "other.onnx",
        f"{ENGINE} fp32",
        f"{ENGINE} stored",
        "100 %",
        "0.800",
    ):
        assert word in shown, shown
    assert max(map(len, tables_of(shown))) <= 80
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found["rounds"] == 2
    assert found["failed"] == {}
    ours, theirs = found["figures"]
    for figures in (ours, theirs):
        timing = figures["timing"]
        assert 0 < timing["p50"] <= timing["p95"] <= timing["p99"] < 1
        assert timing["images"] >= 2 * 3
        assert timing["throughput"] > 0
        assert 0 < timing["first"] < 10
        assert 0 < timing["load"] < 60
    assert ours["timing"]["memory"] > 1_000_000  # at least the engine's own libraries
    assert ours["size"] == (model_folder / "model.onnx").stat().st_size
    assert ours["check"]["reference"] == f"{ENGINE} fp32"
    assert ours["check"]["parity"] == 1
    assert ours["check"]["frames"] == "image_folder"
    # As computed by hand in test_evaluate.py.
    assert ours["check"]["accuracy"]["image_folder drivable iou"] == pytest.approx(4 / 5)
    assert theirs["check"] is None
    assert theirs["configuration"]["shape"] == [1, 3, 16, 24]
    assert cv2.imread(str(tmp_path / "chart.png")).shape[0] > 300
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        *("chart.png", "figures.json", "other.onnx"),
    ]


def tables_of(shown):
    """The lines of tables, without sentences."""
    return [line for line in shown.splitlines() if line.startswith(" ")]


def test_a_configuration_that_fails_leaves_the_others(run, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "REFERENCES", ())
    good, bad = make_model(tmp_path / "good"), make_model(tmp_path / "bad")
    (bad / "model.onnx").write_bytes(b"no network")
    code, shown = run(good, bad, "--backends", ENGINE, "--rounds", 1)
    assert code == 1
    assert "good" in shown
    assert f"failed: {bad} in {ENGINE} fp32: {ENGINE} cannot read" in " ".join(shown.split())
    code, shown = run(bad, "--backends", ENGINE, "--rounds", 1)
    assert code == 2
    assert "nothing could be timed" in shown


def test_a_backend_without_a_method_for_the_task_is_left_out_not_failed(model_folder, tmp_path):
    pytest.importorskip("lanes.backends.classical")
    folder = make_model(tmp_path / "street")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "task": "road_scene"}))
    planned = plan(PlanOptions(models=[str(folder)], backends=["classical"]))
    pictures = {str(folder): checks.Pictures("none", (grey(GREYS),))}
    found, failed, left_out = checks.check_all(planned, pictures)
    assert not found
    assert not failed
    assert "road_scene" in next(iter(left_out.values()))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nobody"], "has no 'nobody'"),
        (["MODEL", "--backends", "opnvino"], "did you mean 'openvino'"),
        (["MODEL", "--precisions", "fp3"], "has no 'fp3'"),
        (["MODEL", "--threads", "0"], "--threads 0"),
        (["MODEL", "--rounds", "0"], "--rounds 0"),
        (["MODEL", "--data", "camvdi=x"], "did you mean 'camvid'"),
        (["MODEL", "--data", "synthetic", "--split", "tset"], "'tset'"),
        (["MODEL", "--data", "=x"], "NAME=ROOT"),
        (["MODEL", "--json", "exists"], "exists already"),
        (["MODEL", "--json", "no/figures.json"], "mkdir -p no"),
        (["MODEL", "--json", "/proc/figures.json"], "cannot be written"),
        (["MODEL", "--chart", "chart.jpg"], "must end in .png"),
        (["MODEL", "--shape", "1,3,8,8"], "--onnx"),
        (["--onnx", "nothing.onnx"], "no file nothing.onnx"),
        (["--onnx", "exists"], "ONNX Runtime cannot read exists"),
        (["--onnx", "open.onnx"], "--shape 1,3,640,640"),
        (["--onnx", "open.onnx", "--shape", "1,1,8,8"], "which is (1, 3, ?, ?)"),
        (["--onnx", "open.onnx", "--shape", "1,3,8"], "does not fit"),
        (["--onnx", "open.onnx", "--shape", "1,3,8,x"], "does not fit"),
        (["--onnx", "two.onnx"], "2 inputs (x0, x1)"),
        (["--onnx", "words.onnx"], "tensor(string)"),
        (["video", "nothing.mp4"], "there is no nothing.mp4"),
        (["video", "https://example.org/x.mp4"], "is an address"),
        (["video", "demo", "--rounds", "0"], "--rounds 0"),
        (["video", "demo", "--json", "exists"], "exists already"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_code_2(run, model_folder, tmp_path, args, words):
    (tmp_path / "exists").write_text("precious")
    write_network(tmp_path / "open.onnx", ((1, 3, "height", "width"),))
    write_network(tmp_path / "two.onnx", ((1, 2), (1, 2)))
    write_network(tmp_path / "words.onnx", ((1, 2),), TensorProto.STRING)
    before = sorted(tmp_path.iterdir())
    given = [model_folder if arg == "MODEL" else arg for arg in args]
    code, shown = run(*given, *([] if "--backends" in args or "video" in args else ONE_BACKEND))
    assert code == 2, shown
    assert words in " ".join(shown.split())
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "exists").read_text() == "precious"


ONE_BACKEND = ["--backends", ENGINE]


def test_data_of_another_task_is_refused(run):
    code, shown = run("camvid-fcn", *ONE_BACKEND, "--data", "synthetic")
    assert code == 2
    message = " ".join(shown.split())
    assert "synthetic has the task 'lanes'" in message
    assert "camvid-fcn of 'road_scene'" in message


@pytest.mark.parametrize(
    ("kind", "dtype"), [(TensorProto.FLOAT, "float32"), (TensorProto.UINT8, "uint8")]
)
def test_inputs_have_the_networks_shape_and_type(tmp_path, kind, dtype):
    path = write_network(tmp_path / "x.onnx", ((1, 3, 8, 8),), kind)
    assert network.shape_of(path) == (1, 3, 8, 8)
    images = network.inputs_of(path, (1, 3, 8, 8))
    assert {(image.shape, image.dtype.name) for image in images} == {((1, 3, 8, 8), dtype)}
    assert all(len(np.unique(image)) > 10 for image in images)


def test_other_networks_run_in_openvino_too(tmp_path):
    pytest.importorskip("openvino")
    path = write_network(tmp_path / "x.onnx", ((1, 3, "height", 8),))
    runner = network.load(path, (1, 3, 8, 8), "openvino", "fp32", None, 1, "latency")
    images = network.inputs_of(path, (1, 3, 8, 8))
    pending = [runner.submit(image) for image in images[: runner.depth]]
    for image, request in zip(images, pending, strict=False):
        runner.result(request)
        assert (request.get_output_tensor(0).data == image).all()
    assert "fp32" in network.precisions("openvino")
    assert network.precisions("torch") == ()


def test_a_chart_without_matplotlib_is_refused_before_the_work(run, model_folder, monkeypatch):
    monkeypatch.setattr(chart.plugins, "installed", lambda library: False)
    code, shown = run(model_folder, *ONE_BACKEND, "--chart", "x.png")
    assert code == 2
    assert "--chart needs 'matplotlib', not installed: pip install" in " ".join(shown.split())


def test_a_video_is_timed_by_stage_and_as_a_whole(run, model_folder, tmp_path):
    make_clip(tmp_path / "x.mp4", frames=70, audio="aac")
    code, shown = run(
        *("video", "x.mp4", "--model", model_folder, "--backend", ENGINE),
        *("--rounds", 2, "--max-frames", 65, "--json", "figures.json"),
    )
    assert code == 0, shown
    assert "1 / (decode + infer + encode)" in shown
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["frames"], found["rounds"]) == (65, 2)
    stages = found["stages"]
    assert list(stages) == ["decode", "prepare", "infer", "draw", "encode"]
    for cost in (*stages.values(), found["pipeline"]):
        assert 0 < cost["seconds"] < 1
        assert 0 < cost["cpu"] < 1
    serial = sum(stages[name]["seconds"] for name in ("decode", "infer", "encode"))
    assert found["serial_fps"] == pytest.approx(1 / serial)
    assert found["ratio"] == pytest.approx(found["fps"] / found["serial_fps"])
    slowest = max(stages, key=lambda name: stages[name]["seconds"])
    assert found["slowest"] == slowest
    cpu = sum(cost["cpu"] for cost in stages.values())
    assert found["cpu_fps"] == pytest.approx(found["machine"]["cores"] / cpu)
    bound = min(found["cpu_fps"], 1 / stages[slowest]["seconds"])
    assert found["bound_fps"] == pytest.approx(bound)
    assert found["memory"] == 0 or found["memory"] > 30_000_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures.json", "x.mp4"]


def test_models_that_need_not_be_named_are_those_that_come_along():
    planned = plan(PlanOptions(backends=[ENGINE]))
    assert {one.model for one in planned.configurations} >= {"lanes-fcn-lite", "camvid-fcn"}


def test_help_names_both_uses(run):
    code, shown = run("--help")
    assert code == 0
    for words in ("models", "video", "`lanes benchmark MODEL...` is short for"):
        assert words in " ".join(shown.split())


def test_threads_and_device_are_asked_for(model_folder):
    with pytest.raises(BadInput, match="--threads 0"):
        plan(PlanOptions(models=[str(model_folder)], threads=0))
    (one,) = plan(PlanOptions([str(model_folder)], backends=[ENGINE], threads=1)).configurations
    assert (one.threads, one.device, one.precision) == (1, None, "fp32")


def test_another_network_stands_alone_unless_models_are_named(tmp_path):
    path = write_network(tmp_path / "x.onnx")
    (one,) = plan(PlanOptions(networks=[path], backends=[ENGINE])).configurations
    assert (one.model, one.shape) == (str(path), (1, 3, 8, 8))
    with pytest.raises(BadModel, match="no file"):
        plan(PlanOptions(networks=[tmp_path / "y.onnx"], backends=[ENGINE]))
