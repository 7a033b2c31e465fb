"""The pages' charts as Vega-Lite specifications, each with its unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import streamlit as st

from dashboard_pages.history import TIME
from dashboard_pages.style import hex_of
from lanes.types import Task

Rows: TypeAlias = Sequence[dict[str, Any]]
Spec: TypeAlias = dict[str, Any]
HEIGHT, LEGENDS_HEIGHT = 230, 60
LEGEND: Spec = {"orient": "top", "title": None, "labelLimit": 0, "columns": 2, "offset": 4}
LINE: Spec = {"type": "line", "interpolate": "monotone"}
BAR: Spec = {"type": "bar", "cornerRadiusEnd": 3}
GREY = "#8a9693"
"""For classes that are not drawn, such as the background."""


def show(spec: Spec, key: str | None = None) -> None:
    """Show a chart at full width."""
    st.vega_lite_chart(spec, key=key)


def latencies(rows: Rows) -> Spec:
    """Latency by stage over time: p50 as a line, p95 dashed."""
    dashes = {"domain": ["p50", "p95"], "range": [[1, 0], [4, 3]]}
    return _over_time(rows, LEGENDS_HEIGHT) | {
        "mark": LINE,
        "encoding": {
            "x": _time(),
            "y": _number("ms", "ms per frame (dashed: p95)"),
            "color": _name("stage", _names(rows, "stage")),
            "strokeDash": {"field": "of frames", "scale": dashes, "legend": None},
            "tooltip": [{"field": "stage"}, {"field": "of frames"}, _tip("ms", ".1f")],
        },
    }


def rates(rows: Rows) -> Spec:
    """Frames per second over time."""
    return _over_time(rows) | {
        "mark": {"type": "area", "line": True, "opacity": 0.2, "interpolate": "monotone"},
        "encoding": {
            "x": _time(),
            "y": _number("fps", "frames per second"),
            "tooltip": [_tip("fps", ".1f")],
        },
    }


def by_class(rows: Rows, task: Task, unit: str) -> Spec:
    """A share, 0..1, by class over time, in the overlay's colours."""
    names = _names(rows, "name")
    classes = [c for c in task.classes if c.name in names]
    colour = _name("name", [c.name for c in classes])
    colour["scale"]["range"] = [hex_of(c.colour) if c.alpha else GREY for c in classes]
    return _over_time(rows, LEGENDS_HEIGHT) | {
        "mark": LINE,
        "encoding": {
            "x": _time(),
            "y": _number("value", unit, [0, 1]),
            "color": colour,
            "tooltip": [{"field": "name"}, _tip("value", ".3f")],
        },
    }


def measures(rows: Rows, task: Task, unit: str) -> Spec:
    """The task's measures of one unit, over time; those of a class in its colour."""
    names = _names(rows, "name")
    colour = _name("name", names)
    found = [next((c for c in task.classes if name.startswith(c.name)), None) for name in names]
    if all(found):
        colour["scale"]["range"] = [hex_of(c.colour) for c in found if c]
    return _over_time(rows, LEGENDS_HEIGHT) | {
        "mark": LINE,
        "encoding": {
            "x": _time(),
            "y": _number("value", unit),
            "color": colour,
            "tooltip": [{"field": "name"}, _tip("value", ".3f")],
        },
    }


def bars(rows: Rows, value: str, by: str, group: str, unit: str) -> Spec:
    """A bar for each row's `value`, 0..1, grouped by `by`."""
    return {
        "data": {"values": list(rows)},
        "height": {"step": 14},
        "mark": BAR,
        "encoding": {
            "x": _number(value, unit, [0, 1]),
            "y": {"field": by, "title": None, "sort": None, "axis": {"labelLimit": 0}},
            "yOffset": {"field": group},
            "color": _name(group, _names(rows, group)),
            "tooltip": [{"field": by}, {"field": group}, _tip(value, ".3f")],
        },
    }


def times(rows: Rows) -> Spec:
    """Milliseconds ("ms") by "engine"; the "chosen" one is in full colour."""
    opacity = {"field": "chosen", "scale": {"domain": [True, False], "range": [1, 0.45]}}
    words = {"type": "text", "align": "left", "dx": 4}
    return {
        "data": {"values": list(rows)},
        "height": {"step": 34},
        "encoding": {
            "x": _number("ms", "ms per image (lower is better)"),
            "y": {"field": "engine", "title": None, "sort": "x", "axis": {"labelLimit": 200}},
            "opacity": {**opacity, "legend": None},
        },
        "layer": [
            {"mark": BAR},
            {"mark": words, "encoding": {"text": {"field": "ms", "format": ".1f"}}},
        ],
    }


def confusion(rows: Rows) -> Spec:
    """The "share" of each "truth" class's pixels by "predicted" class, in percent."""
    share = {"field": "share", "type": "quantitative"}
    dark = {"test": "datum.share > 0.55", "value": "white"}
    names = {"labelLimit": 0, "labelOverlap": False, "title": None}
    axis = {**names, "orient": "top", "labelAngle": -45}
    return {
        "data": {"values": list(rows)},
        "height": {"step": 36},
        "encoding": {
            "x": {"field": "predicted", "sort": None, "axis": axis},
            "y": {"field": "truth", "sort": None, "axis": names},
        },
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 3},
                "encoding": {
                    "color": {
                        **share,
                        "legend": None,
                        "scale": {"domain": [0, 1], "range": ["#e7efec", "#0b7d62"]},
                    }
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    "text": {**share, "format": ".0%"},
                    "color": {"condition": dark, "value": "#1a2421"},
                },
            },
        ],
    }


def _over_time(rows: Rows, more: int = 0) -> Spec:
    return {"data": {"values": list(rows)}, "height": HEIGHT + more}


def _time() -> Spec:
    return {
        "field": TIME,
        "type": "quantitative",
        "title": "seconds since the start",
        "axis": {"tickCount": 5, "grid": False, "format": "~f"},
        "scale": {"zero": False, "nice": False},
    }


def _number(field: str, unit: str, domain: list[float] | None = None) -> Spec:
    scale = {"domain": domain} if domain else {"zero": True}
    return {"field": field, "type": "quantitative", "title": unit, "scale": scale}


def _name(field: str, names: Sequence[str]) -> Spec:
    return {"field": field, "scale": {"domain": list(names)}, "legend": LEGEND}


def _tip(field: str, format: str) -> Spec:
    return {"field": field, "type": "quantitative", "format": format}


def _names(rows: Iterable[dict[str, Any]], field: str) -> list[str]:
    return list(dict.fromkeys(row[field] for row in rows))
