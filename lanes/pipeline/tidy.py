"""A pipeline's step that leaves the road in one piece: see `lanes.images.regions`."""

from __future__ import annotations

from lanes.images.regions import tidied
from lanes.pipeline.labelled import Labelled


def tidy(labelled: Labelled) -> Labelled:
    """Remove small stray pieces of the task's surface and fill its small holes.

    It takes about 5 ms a frame at 640x352, while the network labels the next frame. A task without
    a surface is left as it is.
    """
    labels = tidied(labelled.network_labels, labelled.task.surface)
    return labelled if labels is labelled.network_labels else labelled.relabelled(labels)
