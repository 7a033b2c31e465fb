"""The app behind `lanes dashboard`: its pages, their live pictures, and a guard at the door."""

from __future__ import annotations

import streamlit as st
from dashboard_pages import feed, same_site
from starlette.middleware import Middleware

app = st.App("pages.py", routes=[feed.route()], middleware=[Middleware(same_site.SameSite)])
