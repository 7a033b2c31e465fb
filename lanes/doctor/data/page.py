"""The check of a data set as one HTML page without other files, to send to a colleague."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np

from lanes.doctor.data.check import Check
from lanes.doctor.data.facts import BANDS
from lanes.types import Image

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid #ddd }
.problem { color: #b00020 } img { max-width: 100% } svg { max-width: 100%; height: auto }
"""
GREY = "#bbb"
"""Colour of unknown pixels."""
WIDTH, ROW = 640, 18
"""Size of the chart in pixels: its bars, and a band's height."""


def page(found: Check, sheet: Image | None) -> str:
    """The page as text."""
    title = f"{found.root.name}: {found.format}"
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(found.summary)}</p>",
        _findings(found),
    ]
    if any(found.usable(split) for split in found.splits):
        parts += ["<h2>Splits</h2>", _splits(found)]
        parts += ["<h2>Classes by height in the picture</h2>", _chart(found)]
        parts += ["<h2>Sizes</h2>", _sizes(found)]
    if sheet is not None:
        content = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        text = base64.b64encode(content).decode()
        parts += ["<h2>Overlays</h2>", f'<img alt="overlays" src="data:image/jpeg;base64,{text}">']
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )


def _findings(found: Check) -> str:
    if not found.findings:
        return "<p>Nothing is wrong with it.</p>"
    listed = "".join(f'<li class="{f.level}">{escape(f.text)}</li>' for f in found.findings)
    return f"<h2>Findings</h2><ul>{listed}</ul>"


def _splits(found: Check) -> str:
    head = "".join(f"<th>{escape(split)}</th>" for split in found.splits)
    counts = "".join(f"<td>{len(found.usable(split))}</td>" for split in found.splits)
    rows = f"<tr><td>images</td>{counts}</tr>"
    for one in found.by_meaning():
        shares = "".join(f"<td>{_percent(one.splits[split])}</td>" for split in found.splits)
        rows += f"<tr><td>{escape(one.name)}</td>{shares}</tr>"
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _sizes(found: Check) -> str:
    sizes = found.sizes().most_common()
    rows = "".join(f"<tr><td>{w}x{h}</td><td>{count}</td></tr>" for (h, w), count in sizes)
    return f"<table><tr><th>size</th><th>images</th></tr>{rows}</table>"


def _chart(found: Check) -> str:
    """Stacked bars: a band of the picture in each row, from the top."""
    meanings = found.by_meaning()
    bars = legend = ""
    for row, shares in enumerate(np.array([one.bands for one in meanings]).T):
        ends = np.concatenate([[0], np.cumsum(np.nan_to_num(shares))]) * WIDTH
        for one, start, end in zip(meanings, ends, ends[1:], strict=False):
            if end > start:
                bars += (
                    f'<rect x="{start:.1f}" y="{row * ROW}" width="{end - start:.1f}" '
                    f'height="{ROW - 2}" {_fill(found, one.name)}>'
                    f"<title>{escape(one.name)} {_percent(one.bands[row])}</title></rect>"
                )
    for one in meanings:
        box = f'<rect width="12" height="12" {_fill(found, one.name)}/>'
        legend += f'<svg width="12" height="12">{box}</svg> {escape(one.name)} &nbsp; '
    height = BANDS * ROW
    note = f"Each bar is a {BANDS}th of the picture's height, the topmost first."
    chart = f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">{bars}</svg>'
    return f"{chart}<p>{legend}</p><p>{note}</p>"


def _fill(found: Check, name: str) -> str:
    """The colour of a meaning as attributes of SVG: paler if it may be several classes."""
    names = found.task.class_names if found.task else ()
    first, _, others = name.partition(" or ")
    if not found.task or first not in names:
        return f'fill="{GREY}"'
    blue, green, red = found.task.classes[names.index(first)].colour
    colour = "#333" if names.index(first) == 0 else f"rgb({red},{green},{blue})"
    return f'fill="{colour}" fill-opacity="{0.6 if others else 1}"'


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"
