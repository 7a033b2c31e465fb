"""Tasks, which define the classes of pixels: one module each, with a `TASK`."""

from lanes import plugins
from lanes.types import Task


def load(name: str) -> Task:
    """The task `name`, or one's own classes; see `plugins.task`."""
    return plugins.task(name)
