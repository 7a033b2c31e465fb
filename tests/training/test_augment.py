"""One geometry for every array of a sample; light for the image alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from lanes.images.resize import Resize
from lanes.training.augment import Augment, fit, moved
from lanes.training.light import changed
from lanes.types import Sample


def sample(size=(120, 200)):
    """All arrays hold the same 8-pixel checks, so that any shift between them shows."""
    rows, columns = np.indices(size) // 8
    checks = ((rows + columns) % 2).astype(np.uint8)
    return Sample(
        image=np.repeat(checks[..., None] * 255, 3, 2),
        targets=checks,
        soft=np.stack([checks * 200, 255 - checks * 200]),
        instances=checks.astype(np.uint16) * 1000,
    )


def still(make_config, **changes):
    light = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "blur": 0.0}
    return Augment(make_config(**{**light, **changes}))


@pytest.mark.parametrize("seed", range(5))
def test_all_arrays_are_moved_alike(make_config, seed):
    torch.manual_seed(seed)
    got = still(make_config)(sample())
    assert got.image.shape == (64, 96, 3)
    assert got.image.dtype == np.uint8
    # Soft maps are resized linearly, so they still sum to 255 up to rounding.
    assert ((got.soft[0] > 100) == (got.targets == 1)).mean() > 0.9
    assert np.abs(got.soft.astype(int).sum(0) - 255).max() <= 1
    np.testing.assert_array_equal(got.instances, got.targets.astype(int) * 1000)
    # The image is resized linearly: grey at the edges of the checks, exact next to them.
    agrees = (got.image[..., 0] > 127) == (got.targets == 1)
    assert agrees.mean() > 0.9


def test_absent_arrays_stay_absent(make_config):
    whole = sample()
    got = still(make_config)(Sample(whole.image, whole.targets))
    assert got.soft is None
    assert got.instances is None


def test_a_seed_fixes_it_and_another_changes_it(make_config):
    augment = Augment(make_config())

    def draw(seed):
        torch.manual_seed(seed)
        return augment(sample()).image

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


@pytest.mark.parametrize(("flip", "mirrored"), [(0.0, False), (1.0, True)])
def test_flip_is_a_probability(make_config, flip, mirrored):
    ramp = np.tile(np.arange(96, dtype=np.uint8), (64, 1))
    augment = still(make_config, flip=flip, crop_area=[1.0, 1.0], crop_ratio=[1.5, 1.5])
    got = augment(Sample(np.repeat(ramp[..., None], 3, 2), ramp))
    np.testing.assert_array_equal(got.targets, ramp[:, ::-1] if mirrored else ramp)
    np.testing.assert_array_equal(got.image[..., 0], got.targets)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"flip_vertical": 1.0}, lambda ramp: ramp[::-1]),
        ({"turn": 1.0}, np.rot90),
        ({"turn": 1.0, "flip_vertical": 1.0}, lambda ramp: np.rot90(ramp)[::-1]),
        ({}, lambda ramp: ramp),
    ],
)
def test_pictures_without_an_up_can_be_rotated(make_config, changes, wanted):
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    whole = {"flip": 0.0, "size": [64, 64], "crop_area": [1.0, 1.0], "crop_ratio": [1.0, 1.0]}
    augment = still(make_config, **whole, **changes)
    low = (ramp % 251).astype(np.uint8)
    got = augment(Sample(np.repeat(low[..., None], 3, 2), low, instances=ramp))
    np.testing.assert_array_equal(got.instances, wanted(ramp))
    np.testing.assert_array_equal(got.targets, wanted(low))
    np.testing.assert_array_equal(got.image[..., 2], wanted(low))


def test_a_turned_picture_is_cropped_to_the_inputs_shape(make_config):
    torch.manual_seed(0)
    got = still(make_config, turn=1.0)(sample())
    assert got.targets.shape == (64, 96)
    np.testing.assert_array_equal(got.instances, got.targets.astype(int) * 1000)


def test_hue_turns_blue_into_red_and_leaves_greys(make_config):
    picture = np.array([[[200, 0, 0], [90, 90, 90], [0, 200, 0]]], np.uint8)
    got = changed(picture, 1, 1, 1, hue=1 / 3)
    np.testing.assert_array_equal(got, [[[0, 0, 200], [90, 90, 90], [200, 0, 0]]])
    torch.manual_seed(0)
    blue = np.full((64, 96, 3), (200, 0, 0), np.uint8)
    turned_blue = still(make_config, hue=0.5)
    lit = [turned_blue(Sample(blue, blue[..., 1])).image for _ in range(8)]
    assert np.max(lit, axis=(0, 1, 2)).min() > 100


def test_the_image_stays_bgr(make_config):
    blue = np.zeros((64, 96, 3), np.uint8)
    blue[..., 0] = 200
    grey = still(make_config, saturation=1.0)
    torch.manual_seed(3)
    got = grey(Sample(blue, np.zeros((64, 96), np.uint8))).image.reshape(-1, 3).mean(0)
    assert got[0] > got[1] == got[2]
    # Blue weighs 0.114 in luma, red 0.299: less saturation mixes towards 23, not towards 60.
    assert got[1] < 30


@pytest.mark.parametrize(
    ("factors", "change"),
    [
        ((1.2, 1.0, 1.0), v2.functional.adjust_brightness),
        ((1.0, 0.7, 1.0), v2.functional.adjust_contrast),
        ((1.0, 1.0, 0.4), v2.functional.adjust_saturation),
    ],
)
def test_light_changes_as_torchvision_does(factors, change):
    image = np.random.default_rng(0).integers(60, 190, (40, 50, 3), np.uint8)
    rgb = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)
    factor = next(f for f in factors if f != 1)
    wanted = change(rgb, factor).permute(1, 2, 0).numpy()[..., ::-1]
    got = changed(image, *factors)
    # torchvision truncates fractions, also of the grey.
    assert np.abs(got.astype(int) - wanted).max() <= 2


def test_blur_is_a_probability(make_config):
    still_but_blurred = still(make_config, blur=1.0, crop_area=[1.0, 1.0], crop_ratio=[1.5, 1.5])
    checks = sample((64, 96))
    torch.manual_seed(0)
    assert len(np.unique(still_but_blurred(checks).image)) > 2


def test_moved_cuts_and_mirrors():
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    got = moved(Sample(np.repeat(labels[..., None], 3, 2), labels), (1, 1, 2, 3), mirror=True)
    np.testing.assert_array_equal(got.targets, [[7, 6, 5], [11, 10, 9]])
    np.testing.assert_array_equal(got.image[..., 2], got.targets)


def test_fit_invents_no_id():
    got = fit(sample(), Resize((50, 70)))
    assert got.targets.shape == (50, 70)
    assert set(np.unique(got.targets)) == {0, 1}
    assert set(np.unique(got.instances)) == {0, 1000}
