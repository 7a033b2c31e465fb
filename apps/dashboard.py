"""The app behind `lanes dashboard`: the pages, plus a route that serves their live pictures."""

from __future__ import annotations

import streamlit as st
from dashboard_pages import feed

app = st.App("pages.py", routes=[feed.route()])
