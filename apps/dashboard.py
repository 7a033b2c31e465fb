"""What `lanes dashboard` has Streamlit serve: the pages, and beside them the pictures they show."""

from __future__ import annotations

import streamlit as st
from dashboard_pages import feed

app = st.App("pages.py", routes=[feed.route()])
