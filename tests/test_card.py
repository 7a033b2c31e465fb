"""card.json: what is written is read back, and every broken card says what is wrong."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from lanes import assets
from lanes import card as cards
from lanes.card import DataUse
from lanes.errors import BadModel, BadOutput
from model_folders import card_of


def test_round_trip(tmp_path):
    card = card_of(
        name="größer",
        data=(DataUse("bdd100k", "drivable maps", "non-commercial"),),
        metrics={"bdd100k val: drivable iou": 0.5},
        training={"command": "train", "config": {"size": [64, 96]}},
        half_keep=("conv", "logits"),
        int8={"bdd100k val: drivable iou": {"fp32": 0.5, "int8": 1.0}},
    )
    card.write(tmp_path)
    assert cards.read(tmp_path) == card
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_text_is_written_as_people_read_it(tmp_path):
    replace(card_of(), terms="© 2024, Straße").write(tmp_path)
    assert "© 2024, Straße" in (tmp_path / "card.json").read_text("utf-8")


def test_what_most_cards_have_not_is_left_out(tmp_path):
    card_of().write(tmp_path)
    assert cards.read(tmp_path) == card_of()
    assert json.loads((tmp_path / "card.json").read_text()).keys() == cards.KINDS.keys()


@pytest.mark.parametrize(
    "terms",
    [
        "none",
        "none: drawn by lanes itself",
        "the user's own images",
        "MIT",
        "Apache-2.0 license",
        "road_marks: MIT licence, (c) 2024 Denis Zhuk",
    ],
)
def test_free_terms(terms):
    assert not DataUse("a", "b", terms).restricted
    assert card_of(terms=terms).restricted == ()


@pytest.mark.parametrize(
    "terms",
    [
        "",
        "unknown",
        "none of it may be sold",
        "TuSimple lane benchmark: research use",
        "images CC BY-NC-SA 3.0: not for commercial use; masks (Depto et al. 2021) MIT",
        "first weights: Apache-2.0, learned from ImageNet (research)",
        "MIT, (c) 2024 Somebody, research only",
        "files under GPL-3.0, rights in the images unclear",
        "LIMIT",
    ],
)
def test_restricted_terms(terms):
    assert DataUse("a", "b", terms).restricted
    assert card_of(name="own", terms=terms).restricted == ("own",)


def test_one_restricted_data_set_restricts_the_model():
    drawn, bound = DataUse("drawn", "", "none: ours"), DataUse("bound", "", "research use")
    assert card_of(data=(drawn,), terms="as the set").restricted == ()
    assert card_of(data=(drawn, bound), terms="none").restricted == ("bound",)


def test_of_the_models_that_come_along_only_the_drawn_one_is_free():
    cards_ = {name: cards.read(assets.model_folder(name)) for name in assets.model_names()}
    assert {name for name, card in cards_.items() if not card.restricted} == {"lanes-synthetic"}
    learned = ("bdd100k", "tusimple", "twinlitenetplus_small", "first weights", "imagenet")
    assert cards_["lanes-fcn-lite"].restricted == learned


def test_a_card_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    card_of().write(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BadOutput, match=r"card\.json cannot be written \(No space left"):
        card_of(name="other").write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]
    assert cards.read(tmp_path) == card_of()


@pytest.fixture
def broken(tmp_path):
    """Write a card with `changes`, None = without the key, and read it; returns the message."""

    def message(part=None, **changes):
        card_of(data=(DataUse("a", "b", "c"),)).write(tmp_path)
        path = tmp_path / "card.json"
        values = json.loads(path.read_text())
        target = values[part] if part else values
        target = target[0] if part == "data" else target
        target.update(changes)
        for key in [key for key, value in target.items() if value is None]:
            del target[key]
        path.write_text(json.dumps(values))
        with pytest.raises(BadModel, match="export the checkpoint again") as error:
            cards.read(tmp_path)
        assert str(path) in str(error.value)
        return str(error.value)

    return message


@pytest.mark.parametrize("key", list(cards.KINDS))
def test_missing_key(broken, key):
    assert f"lacks {key}" in broken(**{key: None})


@pytest.mark.parametrize("key", [*cards.KINDS, *cards.OPTIONAL_KINDS])
def test_key_of_a_wrong_type(broken, key):
    wrong = "many" if key in ("gflop", "cell_diameter") else 1.5
    assert f"has {key} = {wrong!r}" in broken(**{key: wrong})


def test_costs_of_a_wrong_kind(broken):
    assert "wanted names of layers" in broken(half_keep=[3])
    assert "lacks int8 in int8, road iou" in broken(int8={"road iou": {"fp32": 0.5}})
    assert "has int8, road iou = 0.5; wanted the keys fp32, int8" in broken(int8={"road iou": 0.5})
    assert "has fp32 = 'good' in int8" in broken(int8={"a": {"fp32": "good", "int8": 0.5}})


def test_unknown_key(broken):
    assert "has colour in it, unknown" in broken(colour="red")


@pytest.mark.parametrize("key", list(cards.RESIZE_KINDS))
def test_resize_without_a_key(broken, key):
    assert f"lacks {key} in resize" in broken("resize", **{key: None})


@pytest.mark.parametrize(
    "size", [[64], [64, 96, 3], [0, 96], [64, -96], [64.0, 96], [True, 96], ["64", "96"], [64, 1e9]]
)
def test_size_that_is_none(broken, size):
    assert "wanted [height, width] in pixels" in broken("resize", size=size)


def test_resize_of_a_later_version(broken):
    assert "letterbox" in broken("resize", mode="letterbox")
    assert "cubic" in broken("resize", interpolation="cubic")


@pytest.mark.parametrize("classes", [[], ["background"], [1, 2]])
def test_classes_that_are_none(broken, classes):
    assert "wanted two names or more" in broken(classes=classes)


def test_data_of_a_wrong_kind(broken):
    assert "lacks terms in data" in broken("data", terms=None)
    assert "has data = 'bdd100k'" in broken(data=["bdd100k"])


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[1]", b'"card"'])
def test_file_that_holds_no_card(tmp_path, text):
    (tmp_path / "card.json").write_bytes(text)
    with pytest.raises(BadModel, match=r"card\.json"):
        cards.read(tmp_path)


def test_no_card(tmp_path):
    with pytest.raises(BadModel, match=r"no card\.json in"):
        cards.read(tmp_path)
