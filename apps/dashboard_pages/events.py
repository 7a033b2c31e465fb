"""Shows the departures and lane changes of a clip as a table."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lanes.live.player import Snapshot
from lanes.pipeline.lane_outputs import event_record

COLUMNS = {
    "start": st.column_config.NumberColumn("from", format="%.1f s"),
    "end": st.column_config.NumberColumn("to", format="%.1f s"),
    "depth": st.column_config.NumberColumn(
        format="%.2f", help="How far a wheel was beyond the line at most, in lane widths."
    ),
}


def show(now: Snapshot) -> None:
    """Show the table, if there is an event; the newest is at the top."""
    if now.all_events:
        st.markdown("**Departures and lane changes**")
        st.dataframe(rows(now), hide_index=True, column_config=COLUMNS, placeholder="–")


def rows(now: Snapshot) -> list[dict[str, Any]]:
    """A row for each event so far, the newest first."""
    records = [event_record(event) for event in reversed(now.all_events)]
    return [{"event": record.pop("kind"), **record} for record in records]
