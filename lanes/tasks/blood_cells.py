"""White blood cells in a stained smear: cytoplasm and nucleus; red cells are background."""

from __future__ import annotations

from functools import partial

from lanes.cells import instances
from lanes.types import LabelClass, Task, Things

BACKGROUND, CYTOPLASM, NUCLEUS = range(3)
# A small lymphocyte (7 um wide) has a seventh of the area of a monocyte (18 um).
THINGS = Things(classes=(CYTOPLASM, NUCLEUS), nucleus=NUCLEUS, least=0.1)

TASK = Task(
    name="blood_cells",
    classes=(
        LabelClass("background", (0, 0, 0), alpha=0.0),
        LabelClass("cytoplasm", (80, 200, 80), alpha=0.8),
        LabelClass("nucleus", (60, 60, 255)),
    ),
    measure=partial(instances.summary, things=THINGS),
    things=THINGS,
    units=instances.UNITS,
    pictures="slide",
)
