"""Images in, labels out: masks, shares, pictures."""

import cv2

import lanes

with lanes.load() as model:
    print(model)
    result = model("road.jpg")  # a path, an array, or an image of PIL
    print(result.labels.shape, f"{result.share('lane line'):.1%} is paint")
    road = result.mask("drivable")  # bool, (height, width)
    print(f"{road.sum()} pixels of road")
    cv2.imwrite("road_lanes.png", result.draw(colours={"lane line": (0, 255, 255)}))
    for result in model(["a.jpg", "b.jpg"]):
        print(result)
