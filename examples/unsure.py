"""Class probabilities: how sure the network is of each pixel."""

import cv2
import numpy as np

import lanes

with lanes.load() as model:
    result = model("road.jpg", scores=True)
    line = result.scores[model.task.class_names.index("lane line")]  # float16 (height, width)
    print(f"{(line > 0.9).mean():.1%} is surely paint, {(line > 0.1).mean():.1%} may be")
    unsure = 1 - result.scores.max(0)
    cv2.imwrite("road_unsure.png", np.uint8(255 * unsure))
