"""Tasks, which define the classes of pixels: one module each, with a `TASK`."""

from lanes import plugins
from lanes.types import Task


def load(name: str) -> Task:
    """The task `name`; raises `UnknownName`."""
    task: Task = plugins.load("tasks", name).TASK
    return task
