"""The dashboard's pages and their shared code; `apps/dashboard.py` serves them."""
