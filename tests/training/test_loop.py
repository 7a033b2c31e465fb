"""A small run: it learns, writes its files, resumes exactly, and skips broken steps."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from lanes.cli.main import run
from lanes.errors import BadConfig, BadInput, BadOutput
from lanes.metrics.figures import Figure, Kind
from lanes.training import checkpoint as checkpoints
from lanes.training import log, loop
from lanes.training.averaging import Averaged
from lanes.training.budget import Budget, learning_rate
from lanes.training.log import Log
from lanes.training.loop import Run, train


@pytest.fixture
def make_run(make_config, data, tmp_path):
    def make(budget=None, **changes):
        config = make_config(**changes)
        fabric = Fabric(precision="32-true", devices=1, accelerator="cpu")
        return Run(config, data, budget or Budget(steps=6), tmp_path / "run", fabric)

    return make


def weights_of(path):
    return checkpoints.load(path).network


def test_a_run_learns_and_leaves_its_files(make_config, data, tmp_path):
    folder = tmp_path / "run"
    best = train(make_config(), data, Budget(steps=20), folder)
    assert {"best.pt", "last.pt", "log.csv", "tensorboard"} <= {p.name for p in folder.iterdir()}
    assert checkpoints.load(folder / "last.pt").step == 20
    rows = log.rows(folder)
    steps = [step for step, name, _ in rows if name == "image_folder drivable iou"]
    assert steps == [3, 6, 9, 12, 15, 18, 20]
    assert {"loss", "learning rate", "image_folder lane line f4"} <= {row[1] for row in rows}
    figures = {(step, name): value for step, name, value in rows}
    assert best.run["best"] == max(
        np.mean([v for (s, n), v in figures.items() if s == step and n.endswith((" iou", " f4"))])
        for step in steps
    )
    assert best.metrics["image_folder drivable iou"] > 0.6


def test_the_last_weights_are_kept_where_nothing_may_choose(make_config, data, tmp_path):
    config = make_config(keep_last=True, learning_rate=0.5)
    best = train(config, data, Budget(steps=7), tmp_path / "run")
    assert best.step == 7


def test_another_split_is_learned_if_asked_for(make_run):
    assert len(make_run(train_split="val").datasets["image_folder"]) == 2


def test_the_encoder_learns_at_its_own_rate(make_run):
    run = make_run(model="fcn_efficientnet_lite0", encoder_rate=0.25, model_options={})
    run.train_step(*next(run.batches()))
    decoder, encoder = (group["lr"] for group in run.optimizer.param_groups)
    assert encoder == pytest.approx(0.25 * decoder)


def test_pretrained_needs_an_architecture_with_weights(make_run):
    with pytest.raises(BadConfig, match="pretrained"):
        make_run(pretrained=True)


def test_the_loss_falls(make_run):
    run = make_run(Budget(steps=12), warmup_steps=1)
    losses = [run.train_step(*parts) for parts, _ in zip(run.batches(), range(12), strict=False)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_batches_come_from_worker_processes_too(make_run):
    run = make_run(workers=1)
    batches = run.batches()
    (batch,) = next(batches)
    batches.close()
    assert batch["images"].shape == (2, 64, 96, 3)
    assert batch["images"].dtype == torch.uint8
    assert batch["targets"].shape == (2, 64, 96)


def test_resuming_goes_on_at_the_step_with_all_state(make_run, make_config, data, tmp_path):
    run = make_run()
    for parts, _ in zip(run.batches(), range(3), strict=False):
        run.train_step(*parts)
    run.skipped, run.best, run.seconds = 1, 0.25, 7.0
    run.save("last.pt")
    again = make_run()
    again.restore(checkpoints.load(tmp_path / "run" / "last.pt"))
    assert (again.step, again.budget.steps, again.skipped, again.best) == (3, 6, 1, 0.25)
    assert again.seconds == 7.0
    assert int(again.average.averaged.n_averaged) == 2
    for mine, theirs in (
        (again.network.state_dict(), run.network.state_dict()),
        (again.average.network.state_dict(), run.average.network.state_dict()),
    ):
        assert all(torch.equal(mine[k], theirs[k]) for k in theirs)
    moments = [o.state_dict()["state"][0]["exp_avg"] for o in (run.optimizer, again.optimizer)]
    assert torch.equal(*moments)
    train(make_config(), data, Budget(steps=6), tmp_path / "run", resume=True)
    assert checkpoints.load(tmp_path / "run" / "last.pt").step == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    make_config, data, tmp_path, monkeypatch, workers
):
    options = {**make_config().model_options, "dropout": 0.3}
    config = make_config(workers=workers, batch=3, validate_every=4, model_options=options)
    train(config, data, Budget(steps=11), tmp_path / "whole")
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "SAVE_SECONDS", -1)
        whole_step = Run.train_step

        def killed(run, *parts):
            if run.step == 7:
                raise KeyboardInterrupt
            return whole_step(run, *parts)

        patch.setattr(Run, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, data, Budget(steps=11), stopped)
    assert checkpoints.load(stopped / "last.pt").step == 7
    torch.manual_seed(99)  # another process has another state
    train(config, data, Budget(steps=11), stopped, resume=True)
    whole, again = (checkpoints.load(tmp_path / n / "last.pt") for n in ("whole", "stopped"))
    for name in ("network", "ema"):
        mine, theirs = getattr(again, name), getattr(whole, name)
        assert all(torch.equal(mine[k], theirs[k]) for k in theirs), name
    assert again.metrics == pytest.approx(whole.metrics, abs=0, nan_ok=True)
    assert again.run["best"] == whole.run["best"]


@pytest.mark.parametrize("workers", [0, 1])
def test_sizes_grow_with_the_run(make_run, workers):
    sizes = [[0.0, [32, 64]], [0.4, [48, 64]], [0.7, [64, 96]]]
    run = make_run(Budget(steps=10), sizes=sizes, workers=workers)
    batches = run.batches()
    seen = [tuple(next(batches)[0]["targets"].shape) for _ in range(10)]
    batches.close()
    assert seen == [(2, 32, 64)] * 4 + [(2, 48, 64)] * 3 + [(2, 64, 96)] * 3
    run.step = 5
    batches = run.batches()
    assert next(batches)[0]["images"].shape == (2, 48, 64, 3)
    batches.close()


def test_a_finished_run_is_left_as_it_is(make_config, data, tmp_path):
    folder = tmp_path / "run"
    train(make_config(), data, Budget(steps=2), folder)
    before = weights_of(folder / "last.pt")
    best = train(make_config(), data, Budget(minutes=1), folder, resume=True)
    after = weights_of(folder / "last.pt")
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert best.step == 2
    with pytest.raises(BadConfig, match="the run has 2 steps, --steps says 9"):
        train(make_config(), data, Budget(steps=9), folder, resume=True)
    with pytest.raises(BadConfig, match="the configuration or the data differ"):
        train(make_config(seed=1), data, Budget(steps=2), folder, resume=True)
    with pytest.raises(BadOutput, match="continue it with --resume"):
        train(make_config(), data, Budget(steps=2), folder)


def test_a_run_may_begin_with_the_weights_of_another(make_config, make_run, data, tmp_path):
    first = train(make_config(), data, Budget(steps=2), tmp_path / "first")
    run = make_run()
    run.begin_with(first)
    state = run.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in first.ema.items())
    first.data["elsewhere"] = ""
    first.save(tmp_path / "first.pt")
    init = tmp_path / "first.pt"
    second = train(make_config(seed=1), data, Budget(steps=2), tmp_path / "second", init=init)
    assert checkpoints.learned_from(second) == ["image_folder", "elsewhere"]
    other = make_config(model="naive", model_options={})
    with pytest.raises(BadConfig, match="'fcn_lite'.*'naive'"):
        train(other, data, Budget(steps=2), tmp_path / "third", init=init)


def test_minutes_end_a_run_and_become_its_steps(make_config, data, tmp_path):
    folder = tmp_path / "run"
    best = train(make_config(validate_every=1000), data, Budget(minutes=0.02), folder)
    last = checkpoints.load(folder / "last.pt")
    assert last.steps == last.step > 0
    assert best.step == last.step
    assert last.run["seconds"] >= 1.2
    train(make_config(validate_every=1000), data, Budget(minutes=9), folder, resume=True)
    assert checkpoints.load(folder / "last.pt").step == last.step


def test_a_run_resumed_amid_its_minutes_has_used_them(make_run, tmp_path):
    run = make_run(Budget(minutes=10))
    run.step, run.seconds = 60, 150.0
    run.save("last.pt")
    again = make_run(Budget(minutes=10))
    again.restore(checkpoints.load(tmp_path / "run" / "last.pt"))
    assert again.spent == 0.25


@pytest.mark.parametrize("budget", [Budget(steps=50), Budget(minutes=5)])
@pytest.mark.parametrize("warmup", [0, 5, 10, 500])
def test_the_learning_rate_rises_and_falls(make_config, budget, warmup):
    config = make_config(warmup_steps=warmup, learning_rate=1.0)
    rates = [learning_rate(config, step, budget.spent(step, 6.0 * step)) for step in range(50)]
    top = int(np.argmax(rates))
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.01
    assert max(rates) > 0.45
    if warmup == 10:
        assert rates[0] == 0.1


@pytest.mark.parametrize("steps", [1, 2])
def test_a_short_run_learns_too(make_config, steps):
    config = make_config(warmup_steps=200, learning_rate=1.0)
    assert learning_rate(config, 0, Budget(steps=steps).spent(0, 0)) > 0


def test_a_loss_that_is_not_finite_is_skipped_and_counted(make_run):
    run = make_run()
    (batch,) = next(run.batches())
    run.train_step(batch)
    before = {k: v.clone() for k, v in run.network.state_dict().items()}
    averaged = {k: v.clone() for k, v in run.average.network.state_dict().items()}
    broken = run.network.register_forward_pre_hook(lambda _, args: (args[0].float() * math.nan,))
    run.train_step(batch)
    broken.remove()
    assert (run.step, run.skipped) == (2, 1)
    # Batch normalisation's running means are unchanged too.
    assert all(torch.equal(v, before[k]) for k, v in run.network.state_dict().items())
    kept = run.average.network.state_dict()
    assert all(torch.equal(v, averaged[k]) for k, v in kept.items())
    assert math.isfinite(run.train_step(batch))
    assert run.skipped == 1


def test_a_hopeless_run_ends_with_a_sentence(make_run):
    run = make_run()
    run.network.register_forward_pre_hook(lambda _, args: (args[0].float() * math.nan,))
    run.skipped_in_a_row = loop.HOPELESS - 1
    with pytest.raises(BadInput, match="lower learning_rate"):
        run.train_step(*next(run.batches()))


def test_nothing_to_judge_never_hides_a_later_best(make_run, monkeypatch, tmp_path):
    run = make_run()
    written = Log(tmp_path / "run")
    figures = [Figure("drivable", Kind.IOU, math.nan)]
    scored = SimpleNamespace(figures=lambda dataset: figures)
    monkeypatch.setattr(loop, "score", lambda *_: scored)
    assert "drivable iou has nothing to score" in run.validate(written)
    assert run.best == -math.inf
    figures = [Figure("drivable", Kind.IOU, 0.1)]
    run.step = 5
    run.validate(written)
    written.close()
    assert run.best == 0.1
    assert checkpoints.load(tmp_path / "run" / "best.pt").step == 5


def test_the_average_copies_first_and_then_follows(make_config):
    network = checkpoints.build(make_config())
    average = Averaged(network, decay=0.9)
    name, parameter = next(iter(network.named_parameters()))
    values = []
    for value in (1.0, 2.0, 2.0):
        with torch.no_grad():
            parameter.fill_(value)
        for buffer_name, buffer in network.named_buffers():
            if buffer_name.endswith("num_batches_tracked"):
                buffer.fill_(int(10 * value))
        average.update(network)
        values.append(average.network.state_dict()[name].flatten()[0].item())
    # Its decay grows: (1 + n) / (10 + n) after n updates.
    assert values == pytest.approx([1, 2 - 2 / 11, 2 - 2 / 11 * 3 / 12])
    state = average.network.state_dict()
    counters = {int(v) for k, v in state.items() if k.endswith("num_batches_tracked")}
    assert counters == {20}


@pytest.mark.parametrize("budget", [{}, {"steps": 1, "minutes": 1}, {"steps": 0}, {"minutes": -1}])
def test_a_budget_is_steps_or_minutes(budget):
    with pytest.raises(BadConfig):
        Budget(**budget)


def test_class_weights_of_another_number_are_reported(make_run):
    with pytest.raises(BadConfig, match="class_weights has 2 numbers, wanted 4"):
        make_run(class_weights=[1, 1])


def test_the_log_forgets_steps_after_the_checkpoint(tmp_path):
    first = Log(tmp_path)
    for step in (20, 40, 60):
        first.write({"loss": step / 10}, step)
    first.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("80,lo")
    again = Log(tmp_path, step=40)
    again.write({"loss": 1.5}, 50)
    again.close()
    assert log.rows(tmp_path) == [(20, "loss", 2.0), (40, "loss", 4.0), (50, "loss", 1.5)]


def test_the_script_trains_and_prints_the_path(values, data, tmp_path, capsys):
    lines = [f"{k} = {v!r}".replace("'", '"') for k, v in values.items() if not isinstance(v, dict)]
    lines += ["[weights]", "image_folder = 1.0", "[model_options]"]
    lines += [f"{k} = {v}" for k, v in values["model_options"].items()]
    (tmp_path / "tiny.toml").write_text("\n".join(lines))
    main = partial(run, "train")
    given = ["--config", str(tmp_path / "tiny.toml"), "--folder", str(tmp_path / "run")]
    given += ["--data", f"image_folder={data['image_folder']}", "--steps", "2"]
    assert main(given) == 0
    shown = capsys.readouterr().out
    for file in ("curves.png", "samples.png", "best.pt"):
        assert (tmp_path / "run" / file).is_file()
        assert file in shown
    assert main(given) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert main([*given, "--folder", "/proc/run"]) == 2
    assert "/proc/run cannot be written" in capsys.readouterr().err
    assert main([*given, "--data", "=x"]) == 2
