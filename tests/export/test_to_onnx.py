"""Checkpoint to model folder: the card is complete, a wrong graph is refused, no partial files."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from lanes import backends, card, segmenter
from lanes.cli.main import run
from lanes.errors import BackendError, BadConfig, BadOutput, UnknownName
from lanes.export import to_onnx
from lanes.training import checkpoint as checkpoints
from lanes.training import config as configs
from lanes.training.checkpoint import Checkpoint

SIZE = (32, 64)
FILES = ["card.json", "model.onnx"]
OPTIONS = {"channels": [8, 8, 16, 16], "blocks": [0, 1], "dilations": [1], "decoder": [8, 8]}


@pytest.fixture(scope="module")
def checkpoint():
    """A checkpoint of a network that separates dark from bright."""
    torch.manual_seed(0)
    config = configs.from_dict(
        {
            "task": "lanes",
            "model": "fcn_lite",
            "size": list(SIZE),
            "weights": {"synthetic": 1.0},
            "model_options": OPTIONS,
        }
    )
    network = checkpoints.build(config)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(15):
        images = torch.randint(0, 256, (2, *SIZE, 3), dtype=torch.uint8)
        images[:, :16] //= 3
        targets = torch.ones((2, *SIZE), dtype=torch.int64)
        targets[:, :16] = 0
        loss = torch.nn.functional.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    state = network.state_dict()
    return Checkpoint(
        config=config,
        data={"synthetic": "", "bdd100k": "/somewhere"},
        step=10,
        steps=20,
        network=state,
        ema=state,
        optimizer={},
        metrics={"synthetic drivable iou": 0.51239, "synthetic lane line iou": float("nan")},
        run={"skipped": 1, "seconds": 90.0, "best": 0.5, "precision": "32-true"},
    )


check_frames = to_onnx.check_frames


@pytest.fixture(autouse=True)
def few_frames(monkeypatch):
    """Frames of the network's own size; another test draws roads."""
    frames = list(np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8))
    for frame in frames:
        frame[:12] //= 3
    monkeypatch.setattr(to_onnx, "check_frames", lambda checkpoint: frames)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    frames = [np.full((*SIZE, 3), 90, np.uint8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(to_onnx, "check_frames", lambda checkpoint: frames)
        to_onnx.export(checkpoint, folder, "train it")
    return folder


def test_the_folder_holds_a_card_and_the_network_twice_and_nothing_else(exported):
    assert sorted(p.name for p in exported.iterdir()) == FILES
    assert [p.name for p in exported.parent.iterdir()] == ["tiny"]


def test_the_card_records_the_whole_run(exported, checkpoint):
    found = card.read(exported)
    assert (found.name, found.task, found.architecture) == ("tiny", "lanes", "fcn_lite")
    assert found.resize.size == SIZE
    assert found.classes == ("background", "drivable", "lane line", "implied line")
    assert found.parameters == sum(
        p.numel() for p in checkpoints.network_of(checkpoint).parameters()
    )
    assert [use.name for use in found.data] == ["synthetic", "bdd100k"]
    assert "not-for-profit" in found.terms
    # NaN figures are left out: JSON has no NaN.
    assert found.metrics == {"choose: synthetic drivable iou": 0.5124}
    training = found.training
    assert (training["step"], training["steps"], training["skipped_steps"]) == (10, 20, 1)
    assert (training["minutes"], training["seed"], training["command"]) == (1.5, 0, "train it")
    assert configs.from_dict(training["config"]) == checkpoint.config
    json.loads((exported / "card.json").read_text(), parse_constant=pytest.fail)


def test_uint8_goes_in_and_uint8_comes_out(exported):
    graph = onnx.load(exported / "model.onnx").graph
    kinds = [v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)]
    assert kinds == [onnx.TensorProto.UINT8] * 2
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, *SIZE, 3]


def test_the_segmenter_labels_with_it_as_the_checkpoint_does(exported, checkpoint):
    image = np.full((*SIZE, 3), 30, np.uint8)
    image[16:] = 140
    with segmenter.load(str(exported), "onnxruntime") as model:
        labels = model.label(image)
    deployed = to_onnx.Deployed(checkpoints.network_of(checkpoint))
    with torch.inference_mode():
        wanted = deployed(torch.from_numpy(image)[None])[0].numpy()
    assert len(np.unique(wanted)) > 1
    np.testing.assert_array_equal(labels, wanted)


def test_every_backend_and_precision_here_is_compared(exported, checkpoint):
    shares = to_onnx.compare(exported, checkpoint, to_onnx.check_frames(checkpoint))
    wanted = {(n, p) for n in backends.PREFERENCE for p in backends.precisions(n)}
    assert shares.keys() == wanted
    assert min(shares.values()) >= to_onnx.LOW_PARITY


def spoil(path):
    """Change the graph as a wrong export would: another normalisation."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size == 3 and values.dtype == np.float32 and (values > 100).all():
            tensor.CopyFrom(numpy_helper.from_array(values - 100, tensor.name))
    onnx.save(model, path)


def test_a_wrong_graph_is_refused_and_leaves_nothing(checkpoint, tmp_path, monkeypatch):
    right = to_onnx.write_onnx

    def wrong(network, size, path):
        right(network, size, path)
        spoil(path)

    monkeypatch.setattr(to_onnx, "write_onnx", wrong)
    with pytest.raises(BackendError, match=r"agrees with the checkpoint on .*% of the pixels"):
        to_onnx.export(checkpoint, tmp_path / "tiny", "")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_half_spoils_is_refused(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(to_onnx.half_accuracy, "LARGEST_COST", -1.0)  # any cost is above it
    with pytest.raises(BackendError, match=r"half precision changes .* with --keep node_"):
        to_onnx.export(checkpoint, tmp_path / "tiny", "")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_the_old_model(exported, checkpoint, tmp_path, monkeypatch):
    old = tmp_path / "old"
    old.mkdir()
    (old / "card.json").write_bytes((exported / "card.json").read_bytes())

    def fail(*_):
        raise BackendError("no")

    monkeypatch.setattr(to_onnx, "write_onnx", fail)
    with pytest.raises(BackendError):
        to_onnx.export(checkpoint, old, "")
    assert [p.name for p in old.iterdir()] == ["card.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def test_other_folders_and_files_are_not_overwritten(checkpoint, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("x")
    with pytest.raises(BadOutput, match="is not empty"):
        to_onnx.export(checkpoint, tmp_path / "photos", "")
    with pytest.raises(BadOutput, match="is a file"):
        to_onnx.export(checkpoint, tmp_path / "photos" / "me.jpg", "")
    (tmp_path / "blocked").write_text("x")
    with pytest.raises(BadOutput, match="cannot be written"):
        to_onnx.export(checkpoint, tmp_path / "blocked" / "model", "")


def test_the_frames_to_compare_on_are_of_the_task(checkpoint, monkeypatch):
    monkeypatch.undo()
    frames = to_onnx.check_frames(checkpoint)
    assert len(frames) == to_onnx.CHECK_FRAMES
    assert frames[0].shape[2] == 3
    assert frames[0].dtype == np.uint8


def test_the_script_exports_again_and_prints_the_parity(exported, checkpoint, tmp_path, capsys):
    checkpoint.save(tmp_path / "best.pt")
    main = partial(run, "export")
    folder = tmp_path / "again"
    folder.mkdir()
    (folder / "card.json").write_text("{}")
    (folder / "stale.txt").write_text("of the model before")
    assert main([str(tmp_path / "best.pt"), str(folder), "--command", "x"]) == 0
    assert sorted(p.name for p in folder.iterdir()) == FILES
    assert "onnxruntime fp32: 100.000% of pixels" in capsys.readouterr().out
    assert main([str(tmp_path / "none.pt"), str(folder)]) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_a_logit_bias_is_in_the_graph_and_in_the_card(checkpoint, tmp_path):
    biased = checkpoints.with_logit_bias(checkpoint, (0.0, 1e3, 0.0, 0.0))
    to_onnx.export(biased, tmp_path / "eager", "")
    # `compare` found that every backend agrees with the biased checkpoint; by hand: all class 1.
    with contextlib.closing(backends.load("onnxruntime", tmp_path / "eager")) as backend:
        assert (backend(np.zeros((1, *SIZE, 3), np.uint8)) == 1).all()
    found = card.read(tmp_path / "eager")
    assert found.training["config"]["logit_bias"] == [0.0, 1e3, 0.0, 0.0]
    assert found.metrics == {}
    with pytest.raises(BadConfig, match="wanted 4 numbers"):
        checkpoints.with_logit_bias(checkpoint, (1.0,))


def test_the_network_names_no_path_of_the_machine_that_wrote_it(exported):
    content = (exported / "model.onnx").read_bytes()
    assert str(Path(to_onnx.__file__).parent).encode() not in content
    assert b"stack_trace" not in content


@pytest.mark.parametrize("model", ["fcn_efficientnet_lite0", "fcn", "segnet"])
def test_the_card_names_the_initial_weights_of_the_encoder(checkpoint, model):
    options = {} if model == "fcn_efficientnet_lite0" else {"width": 0.05}
    config = replace(checkpoint.config, model=model, model_options=options, pretrained=True)
    network = checkpoints.build(config).eval()
    found = to_onnx.card_of(replace(checkpoint, config=config), "tiny", network, "train it")
    assert found.data[-1].name == "imagenet"
    assert "ImageNet" in found.data[-1].what
    assert found.data[-1].terms in found.terms
    assert found.gflop > 0


def test_labels_are_compared_on_frames_of_the_task(checkpoint, tmp_path):
    drawn = check_frames(checkpoint)
    assert len(drawn) == to_onnx.CHECK_FRAMES
    assert drawn[0].shape[0] > SIZE[0]  # of the synthetic roads, which need no files
    for split in ("train", "val"):
        for number in range(3):
            for folder in ("images", "labels"):
                path = tmp_path / split / folder / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), np.zeros((20, 30) if folder == "labels" else (20, 30, 3)))
    config = replace(checkpoint.config, task="road_scene")
    here = check_frames(replace(checkpoint, config=config, data={"camvid": str(tmp_path)}))
    assert [frame.shape for frame in here] == [(20, 30, 3)] * 3
    gone = check_frames(replace(checkpoint, config=config, data={"camvid": "/nowhere"}))
    assert [frame.shape for frame in gone] == [(*SIZE, 3)] * to_onnx.CHECK_FRAMES


def test_labels_count_where_the_network_is_sure():
    equal, sure = np.ones((1, 10, 10), bool), np.zeros((1, 10, 10), bool)
    sure[0, :5] = True
    equal[0, 9, :8] = False
    to_onnx._judge("openvino bf16", "bf16", 0.92, equal, sure)
    with pytest.raises(BackendError, match="98.00% of the pixels where.*train longer.*fp32"):
        wrong = equal.copy()
        wrong[0, 0, 0] = False
        to_onnx._judge("openvino bf16", "bf16", 0.91, wrong, sure)
    with pytest.raises(BackendError, match="89.00% of all, wanted 90%"):
        to_onnx._judge("openvino bf16", "bf16", 0.89, equal, sure)
    with pytest.raises(BackendError, match="the export is wrong; update openvino"):
        to_onnx._judge("openvino fp32", "fp32", 0.99, wrong, sure)


def test_an_export_for_fp32_runs_in_fp32_only(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(to_onnx, "LOW_PARITY", 2.0)  # nothing below fp32 passes
    monkeypatch.setattr(to_onnx.half_accuracy, "LARGEST_COST", -1.0)
    folder = tmp_path / "tiny"
    found = to_onnx.export(checkpoint, folder, "", precision="fp32")
    assert found.precisions == ("fp32",)
    for name in backends.PREFERENCE:
        with contextlib.closing(backends.load(name, folder)) as backend:
            assert backend.precision == "fp32"
    with pytest.raises(UnknownName, match="exported for fp32 only, not bf16"):
        backends.load("openvino", folder, "bf16")
    checkpoint.save(tmp_path / "best.pt")
    assert run("export", [str(tmp_path / "best.pt"), str(folder), "--precision", "int4"]) == 2
