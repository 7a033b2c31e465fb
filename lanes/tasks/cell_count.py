"""Every cell of a smear, to be counted: cells, borders between them, nuclei of white cells.

The border class follows U-Net (Ronneberger et al. 2015, arXiv:1505.04597), which learned to
separate touching cells by background between them; here the gap is given back to the cells.
Models made before the class nucleus know the first three classes and tell no kinds.
"""

from __future__ import annotations

from functools import partial

from lanes.cells import instances
from lanes.types import LabelClass, Task, Things

BACKGROUND, CELL, BORDER, NUCLEUS = range(4)
# In bbbc041seg, one cell in 500 is smaller than a quarter of its picture's typical cell.
THINGS = Things((CELL, NUCLEUS), nucleus=NUCLEUS, border=BORDER, least=0.25, kinds=True)

TASK = Task(
    name="cell_count",
    classes=(
        LabelClass("background", (0, 0, 0), alpha=0.0),
        LabelClass("cell", (200, 150, 40), alpha=0.7),
        LabelClass("border", (40, 220, 255), alpha=1.4),
        LabelClass("nucleus", (60, 60, 255)),
    ),
    measure=partial(instances.summary, things=THINGS),
    things=THINGS,
    units=instances.UNITS,
    pictures="slide",
)
