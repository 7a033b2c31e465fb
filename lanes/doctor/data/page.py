"""The check of a data set as one HTML page without other files, to send to a colleague."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np

from lanes.doctor.data.check import Check
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
    head = "".join(f"<th>{escape(name)}</th>" for name in ("split", "images", *found.names))
    rows = ""
    for split in found.splits:
        shares = "".join(f"<td>{_percent(share)}</td>" for share in found.shares(split))
        rows += f"<tr><td>{split}</td><td>{len(found.usable(split))}</td>{shares}</tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def _sizes(found: Check) -> str:
    sizes = found.sizes().most_common()
    rows = "".join(f"<tr><td>{w}x{h}</td><td>{count}</td></tr>" for (h, w), count in sizes)
    return f"<table><tr><th>size</th><th>images</th></tr>{rows}</table>"


def _chart(found: Check) -> str:
    """Stacked bars: a band of the picture in each row, from the top."""
    bands = found.bands()
    bars, legend = "", ""
    for row, shares in enumerate(bands):
        ends = np.concatenate([[0], np.cumsum(np.nan_to_num(shares))]) * WIDTH
        for k, name in enumerate(found.names):
            width = ends[k + 1] - ends[k]
            if width > 0:
                bars += (
                    f'<rect x="{ends[k]:.1f}" y="{row * ROW}" width="{width:.1f}" '
                    f'height="{ROW - 2}" {_fill(found, k)}>'
                    f"<title>{escape(name)} {_percent(shares[k])}</title></rect>"
                )
    shown = [k for k in range(len(found.names)) if bands[:, k].any()]
    for k in shown:
        mark = f'<svg width="12" height="12"><rect width="12" height="12" {_fill(found, k)}/></svg>'
        legend += f"{mark} {escape(found.names[k])} &nbsp; "
    height = len(bands) * ROW
    note = f"Each bar is a {len(bands)}th of the picture's height, the topmost first."
    chart = f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">{bars}</svg>'
    return f"{chart}<p>{legend}</p><p>{note}</p>"


def _fill(found: Check, row: int) -> str:
    """The colour of a target id as attributes of SVG: paler if it may be several classes."""
    names = found.task.class_names if found.task else ()
    first, _, others = found.names[row].partition(" or ")
    if not found.task or first not in names:
        return f'fill="{GREY}"'
    blue, green, red = found.task.classes[names.index(first)].colour
    colour = "#333" if names.index(first) == 0 else f"rgb({red},{green},{blue})"
    return f'fill="{colour}" fill-opacity="{0.6 if others else 1}"'


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"
