"""The charts of the pages, each with its unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from dashboard_pages.history import TIME
from dashboard_pages.style import hex_of
from lanes.types import Task

HEIGHT = 230
LEGEND: dict[str, Any] = {"orient": "top", "title": None, "labelLimit": 160, "offset": 4}
Rows = Sequence[dict[str, Any]]


def _time() -> alt.X:
    axis = alt.Axis(tickCount=5, grid=False, format="~g")
    return alt.X(f"{TIME}:Q", title="seconds since the start", axis=axis).scale(
        zero=False, nice=False
    )


def latencies(rows: Rows) -> alt.Chart:
    """Latency by stage over time: p50 as a line, p95 dashed."""
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(interpolate="monotone")
        .encode(
            x=_time(),
            y=alt.Y("ms:Q", title="ms a frame"),
            color=alt.Color("stage:N", sort=stages, legend=alt.Legend(**LEGEND)),
            strokeDash=alt.StrokeDash(
                "of frames:N", scale=alt.Scale(domain=["p50", "p95"], range=[[1, 0], [4, 3]])
            ).legend(**LEGEND),
            tooltip=["stage:N", "of frames:N", alt.Tooltip("ms:Q", format=".1f")],
        )
        .properties(height=HEIGHT)
    )


def rates(rows: Rows) -> alt.Chart:
    """Frames a second over time."""
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_area(line=True, opacity=0.2, interpolate="monotone")
        .encode(
            x=_time(),
            y=alt.Y("fps:Q", title="frames a second").scale(zero=True),
            tooltip=[alt.Tooltip("fps:Q", format=".1f")],
        )
        .properties(height=HEIGHT)
    )


def by_class(rows: Rows, task: Task, unit: str) -> alt.Chart:
    """A share, 0..1, by class over time; classes have the colours that they are drawn in."""
    shown = {row["name"] for row in rows}
    classes = [c for c in task.classes if c.name in shown]
    # What is drawn in no colour, such as the background, is grey.
    colours = [hex_of(c.colour) if c.alpha else "#8a9693" for c in classes]
    scale = alt.Scale(domain=[c.name for c in classes], range=colours)
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(interpolate="monotone")
        .encode(
            x=_time(),
            y=alt.Y("value:Q", title=unit).scale(domain=[0, 1]),
            color=alt.Color("name:N", scale=scale, legend=alt.Legend(**LEGEND)),
            tooltip=["name:N", alt.Tooltip("value:Q", format=".3f")],
        )
        .properties(height=HEIGHT)
    )


def measures(rows: Rows) -> alt.Chart:
    """What the task measures, over time; shares of the picture are 0..1, the rest is counted."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(interpolate="monotone")
        .encode(
            x=_time(),
            y=alt.Y("value:Q", title="measure"),
            color=alt.Color("name:N", sort=names, legend=alt.Legend(**LEGEND)),
            tooltip=["name:N", alt.Tooltip("value:Q", format=".3f")],
        )
        .properties(height=HEIGHT)
    )
