"""The pages of the dashboard and what they share; `apps/dashboard.py` puts them together."""
