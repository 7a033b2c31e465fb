"""Pictures drawn by the project itself, with exact labels: no licence, no download."""
