"""The main job: a video in, the same video with its lanes out."""

import lanes

summary = lanes.label_video("drive.mp4", "drive_lanes.mp4")
print(f"{summary.output}: {summary.frames} frames, {summary.fps:.1f} FPS")
