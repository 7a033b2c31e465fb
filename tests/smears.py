"""Draws smears of cells, and runs `lanes image` on them."""

from __future__ import annotations

import csv

import cv2
import numpy as np
from typer.testing import CliRunner

from lanes.cli.main import app

SLIDE, CELL, DARK = 20, 128, 200


def label_images(*args, model):
    """Run `lanes image ARGS` with a model folder."""
    return CliRunner().invoke(app, ["image", *map(str, args), "--model", str(model)])


def smear(*places, size=(150, 220), nuclei=True):
    """Cells of radius 20 at `places` (x, y), with a nucleus of radius 8."""
    image = np.full((*size, 3), SLIDE, np.uint8)
    for place in places:
        cv2.circle(image, place, 20, (CELL,) * 3, cv2.FILLED)
    for place in places if nuclei else ():
        cv2.circle(image, place, 8, (DARK,) * 3, cv2.FILLED)
    return image


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def said(done):
    return " ".join(done.output.split())
