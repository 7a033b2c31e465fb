"""Draws a `Lane` on a frame: joins `lanes.lines` and `lanes.draw.lane`."""

from __future__ import annotations

from lanes.draw import lane as lines
from lanes.draw.lane_hud import draw_offset, draw_warning
from lanes.lines.camera import birds_eye, ground_matrix
from lanes.lines.follow import Lane
from lanes.lines.position import Position
from lanes.types import Frame, LabelMap, Side, Size, Task

LEAVING: dict[str, Side] = {"leaving left": "ego left", "leaving right": "ego right"}
"""The line that the car crosses, by the state of its lane keeping."""

HALF_HEIGHTS, HALF_M, FAR_M = 4.0, 6.0, 45.0
"""What the bird's eye view shows to each side, in camera heights and in metres, and how far."""
MIDDLE = 0.37
"""Where the bar's patch may begin, as a share of the width."""
EDGE = 200
"""Luma of its edge."""


def with_lane(labels: LabelMap, task: Task, lane: Lane, size: Size) -> tuple[LabelMap, Task]:
    """See `lanes.draw.lane.with_lane`."""
    return lines.with_lane(labels, task, lane.lines, size, lane.keeping.state in LEAVING)


def draw_lines(frame: Frame, lane: Lane, labels: LabelMap) -> None:
    """Draw the lines on `frame`, in place, but for what vehicles hide by its `labels`."""
    crossed = LEAVING.get(lane.keeping.state)
    lines.draw_lines(frame, lane.lines, lane.vanishing_point[1], crossed, labels)


def draw_position(frame: Frame, lane: Lane, beside: tuple[slice, slice]) -> None:
    """Draw the offset bar and, while the car leaves its lane, a warning.

    They are in the middle: below the rows and columns `beside` if these reach so far.
    """
    leaving = lane.keeping.state in LEAVING
    top = beside[0].stop if beside[1].stop > MIDDLE * frame.size[1] else 0
    text = position_text(lane.position)
    bottom = draw_offset(frame, lane.position.offset, text, leaving, top)
    if leaving:
        draw_warning(frame, f"LEAVING LANE {lane.keeping.state.split()[1].upper()}", bottom)


def draw_birdseye(frame: Frame, lane: Lane) -> None:
    """Draw the road from above in the upper right corner of `frame`, as it is drawn so far.

    Without a calibration the view shows 4 camera heights to both sides, and reaches 12 times as far
    as it begins; its scale along the road is unknown.
    """
    height, width = frame.size
    x, y = lane.vanishing_point
    rows, columns = height * 2 // 5 // 2 * 2, width // 5 // 2 * 2
    if min(rows, columns) < 4 or y > 0.9 * height:
        return
    camera = lane.calibration
    focal, high = (camera.focal(frame.size), camera.height) if camera else (1.0, 1.0)
    near = focal * high / (height - y)
    ahead = near, max(FAR_M, 4 * near) if camera else 12 * near
    half = HALF_M if camera else HALF_HEIGHTS
    values = ((16, EDGE), (128, 128), (128, 128))
    for plane, part, (outside, edge) in zip(frame.planes, (1, 2, 2), values, strict=True):
        matrix = ground_matrix((x + 0.5) / part - 0.5, (y + 0.5) / part - 0.5, focal / part, high)
        size = rows // part, columns // part
        view = birds_eye(plane, matrix, size, half, ahead, outside)
        view[:, :1] = view[-1:] = edge
        plane[: size[0], plane.shape[1] - size[1] :] = view
    frame.drawn_on()


def position_text(position: Position) -> str:
    """The position in words, rounded so that it changes seldom."""
    if position.offset is None:
        return "lane unknown"
    words = [_offset(position), _bend(position)]
    if position.lane_width_m is not None:
        words.insert(1, f"lane {position.lane_width_m:.1f} m")
    return "   ".join(words)


def _offset(position: Position) -> str:
    assert position.offset is not None
    side = "right" if position.offset > 0 else "left"
    if position.offset_m is not None:
        metres = f"{abs(position.offset_m):.1f}"
        return f"{metres} m {side}" if metres != "0.0" else "centred"
    percent = 5 * round(abs(position.offset) * 20)
    return f"{percent} % {side}" if percent else "centred"


def _bend(position: Position) -> str:
    if not position.bend:
        return "straight"
    side = "right" if position.bend > 0 else "left"
    radius = position.radius_m
    return f"bend {side}" if radius is None else f"bend {side} {float(f'{radius:.1g}'):.0f} m"
