"""Frame by frame, with a drawing of one's own."""

import lanes

with (
    lanes.load() as model,
    lanes.open_source("drive.mp4") as source,
    lanes.VideoSink.like(source, "mine.mp4") as sink,
):
    for result in model.stream("drive.mp4"):
        picture = result.frame.bgr.copy()
        picture[result.mask("lane line")] = (0, 255, 255)  # BGR
        sink.write(picture)
