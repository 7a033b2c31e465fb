"""What the pixels mean: one file a task, each with a `TASK`."""

from lanes import plugins
from lanes.types import Task


def load(name: str) -> Task:
    """The task of that name; raises `UnknownName`."""
    task: Task = plugins.load("tasks", name).TASK
    return task
