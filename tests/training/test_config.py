"""The settings of a run: they survive a round trip, and every wrong value raises an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanes import plugins
from lanes.errors import BadConfig
from lanes.training import config as configs

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.stem)
def test_the_configurations_that_come_along_are_right(path):
    config = configs.read(path)
    assert config.model in plugins.names("models")
    assert set(config.weights) <= set(plugins.names("datasets"))


def test_every_number_survives_the_way_through_a_checkpoint(values):
    values |= {"class_weights": [1, 2.5, 4], "seed": 7}
    config = configs.from_dict(values)
    assert config.size == (64, 96)
    assert config.class_weights == (1, 2.5, 4)
    assert configs.from_dict(config.to_dict()) == config
    assert all(not isinstance(value, tuple) for value in config.to_dict().values())


def test_configurations_of_before_a_key_was_added_are_read(values):
    assert "clip_norm" not in values
    assert configs.from_dict(values).clip_norm == 5.0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("learning_rte", 1.0, "did you mean 'learning_rate'"),
        ("batch", "eight", "batch = 'eight'; wanted int"),
        ("batch", 2.5, "wanted int"),
        ("batch", True, "wanted int"),
        ("batch", 0, "wanted at least 1"),
        ("size", [64], "wanted tuple"),
        ("size", [64, 96, 3], "wanted tuple"),
        ("size", [64.5, 96], "wanted tuple"),
        ("size", [64, 0], "wanted at least 1"),
        ("mean", [1, 2], "wanted tuple"),
        ("std", [1, 0, 1], "wanted above 0"),
        ("class_weights", [1, "x"], "wanted tuple"),
        ("class_weights", [1, -1, 1], "wanted at least 0"),
        ("weights", {"bdd100k": "much"}, "wanted dict"),
        ("weights", {"bdd100k": -1.0}, "wanted at least 0"),
        ("learning_rate", 0, "wanted above 0"),
        ("learning_rate", float("nan"), "wanted above 0"),
        ("flip", 1.5, "wanted 0 to 1"),
        ("turn", -0.5, "wanted 0 to 1"),
        ("hue", 0.6, "wanted 0 to 0.5"),
        ("warmup_steps", -1, "wanted at least 0"),
        ("sizes", [[0.5, [64, 96]]], "rise from 0"),
        ("sizes", [[0.0, [0, 96]]], "at least 1"),
        ("sizes", [[0.0, 96]], "wanted tuple"),
        ("rain", 1.5, "0 to 1"),
        ("crop_area", [0.8, 0.2], "the smaller number first"),
        ("crop_ratio", [2.0, 1.0], "the smaller number first"),
        ("precision", "16-mixed", "bf16-mixed"),
        ("task", 3, "wanted str"),
    ],
)
def test_a_wrong_value_is_reported(values, key, value, words):
    with pytest.raises(BadConfig, match=words):
        configs.from_dict({**values, key: value}, "run.toml")


def test_a_missing_key_is_reported(values):
    del values["size"]
    with pytest.raises(BadConfig, match="run.toml lacks size"):
        configs.from_dict(values, "run.toml")


def test_a_missing_or_invalid_file_is_reported(tmp_path):
    with pytest.raises(BadConfig, match="cannot read the configuration"):
        configs.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("size = [")
    with pytest.raises(BadConfig, match="is not TOML"):
        configs.read(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match="is not TOML"):
        configs.read(tmp_path / "bad.toml")


def test_changes_take_the_place_of_the_files_values(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        'task = "lanes"\nmodel = "segnet_lite"\nsize = [64, 96]\nseed = 1\n'
        '[model_options]\nupsample = "transposed"\nblocks = [1, 1]\n[weights]\nsynthetic = 1.0\n'
    )
    changed = configs.read(path, ["seed=3", 'model_options.upsample="bilinear"'])
    assert changed.seed == 3
    assert changed.model_options == {"upsample": "bilinear", "blocks": [1, 1]}
    assert configs.read(path, ["model_options={}"]).model_options == {}
    with pytest.raises(BadConfig, match="not KEY=VALUE"):
        configs.read(path, ["model=naive"])
    with pytest.raises(BadConfig, match="did you mean 'seed'"):
        configs.read(path, ["sed=3"])
