"""One small set of labelled pictures, written as each labelling tool exports it."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np

SIZE = HEIGHT, WIDTH = (36, 64)
NAMES = ("background", "drivable", "lane line")
ROAD = [(4.3, 34.2), (24.1, 10.3), (40.2, 10.3), (60.4, 34.2)]
ISLAND = [(27.2, 20.3), (36.1, 20.3), (36.1, 26.2), (27.2, 26.2)]
PAINT = [(31.2, 12.1), (33.1, 12.1), (34.3, 33.9), (30.2, 33.9)]
SECOND = [(45.2, 14.2), (47.1, 14.2), (58.3, 33.9), (55.2, 33.9)]


def objects(index):
    """The objects of a frame: name, parts, holes. Every third frame is all background."""
    if index % 3 == 2:
        return []
    parts = [PAINT, SECOND] if index % 2 else [PAINT]
    # The file has the paint first: it lies on the road all the same.
    return [("lane line", parts, []), ("drivable", [ROAD], [ISLAND])]


def inside(ring):
    """The pixels whose centres are in a polygon, by counting crossings of a ray."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    found = np.zeros(SIZE, bool)
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if y0 != y1:
            found ^= ((y0 > y) != (y1 > y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    return found


def mask_of(parts, holes):
    return np.any([inside(p) for p in parts], 0) & ~np.any([inside(h) for h in holes] or [[0]], 0)


def ids(index):
    """The label map of a frame."""
    labels = np.zeros(SIZE, np.uint8)
    for name, parts, holes in reversed(objects(index)):
        labels[mask_of(parts, holes)] = NAMES.index(name)
    return labels


def image(index):
    """A picture (BGR) that shows the classes; blue is the frame's number + 10."""
    planes = np.full(SIZE, 10 + index), 80 * ids(index).astype(int), np.full(SIZE, 100)
    return np.stack(planes, axis=2).astype(np.uint8)


def stems(count):
    return [f"f{i:02}" for i in range(count)]


def write_images(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for index, stem in enumerate(stems(count)):
        assert cv2.imwrite(str(folder / f"{stem}.png"), image(index))


def write_json(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def image_folder(root, count=24, palette=False):
    write_images(root / "images", count)
    (root / "labels").mkdir()
    for index, stem in enumerate(stems(count)):
        assert cv2.imwrite(str(root / "labels" / f"{stem}.png"), ids(index))
    return root


def simple(index):
    """The objects as single rings in drawing order, for formats without holes and parts."""
    rings = [(name, part, holes) for name, parts, holes in objects(index) for part in parts]
    for name, ring, holes in rings[::-1]:
        yield name, ring
        yield from (("background", hole) for hole in holes)


def labelme(root, count=24):
    write_images(root, count)
    for index, stem in enumerate(stems(count)):
        shapes = [
            {"label": name, "points": ring, "shape_type": "polygon", "group_id": None, "flags": {}}
            for name, ring in simple(index)
        ]
        values = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.png"}
        values |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        write_json(root / f"{stem}.json", values)
    return root


def runs(mask, by_column):
    """Run lengths that begin with background."""
    flat = mask.ravel(order="F" if by_column else "C").astype(int)
    ends = [*np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    counts = np.diff([0, *ends]).tolist()
    return counts if flat[0] == 0 else [0, *counts]


def coco(root, count=24, rle=False):
    write_images(root / "images", count)
    images, annotations = [], []
    for index, stem in enumerate(stems(count)):
        images.append({"id": index, "file_name": f"{stem}.png", "height": HEIGHT, "width": WIDTH})
        for name, parts, holes in objects(index):
            rings = [np.array(ring).ravel().tolist() for ring in (*parts, *holes)]
            packed = {"counts": runs(mask_of(parts, holes), True), "size": list(SIZE)}
            annotation = {"id": len(annotations), "image_id": index, "iscrowd": int(rle)}
            annotation |= {"category_id": NAMES.index(name)}
            annotations.append(annotation | {"segmentation": packed if rle else rings})
    categories = [{"id": k, "name": name} for k, name in enumerate(NAMES)]
    values = {"images": images, "annotations": annotations, "categories": categories}
    write_json(root / "annotations.json", values)
    return root


def coco_rle(root, count=24):
    return coco(root, count, rle=True)


def yolo(root, count=24):
    write_images(root / "images", count)
    (root / "labels").mkdir()
    (root / "data.yaml").write_text(
        "train: images\nnames:\n- background\n- drivable\n- lane line\n"
    )
    for index, stem in enumerate(stems(count)):
        lines = []
        for name, ring in simple(index):
            numbers = (np.array(ring) / (WIDTH, HEIGHT)).ravel().tolist()
            lines.append(" ".join(map(str, [NAMES.index(name), *numbers])) + "\n")
        if lines:
            (root / "labels" / f"{stem}.txt").write_text("".join(lines))
    return root


def cvat(root, count=24, masks=False):
    write_images(root / "images", count)
    text = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    text += "<meta><task><labels><label><name>drivable</name></label></labels></task></meta>\n"
    for index, stem in enumerate(stems(count)):
        text += f'<image id="{index}" name="{stem}.png" width="{WIDTH}" height="{HEIGHT}">\n'
        shapes = list(enumerate(simple(index)))
        for order, (name, ring) in shapes[::-1]:
            points = ";".join(f"{x},{y}" for x, y in ring)
            text += f'<polygon label="{name}" source="manual" points="{points}" '
            text += f'z_order="{order}"></polygon>\n'
        text += "</image>\n"
    (root / "annotations.xml").write_text(text + "</annotations>\n")
    return root


def cvat_masks(root, count=24):
    cvat(root, count)
    text = "<annotations>\n"
    for index, stem in enumerate(stems(count)):
        text += f'<image id="{index}" name="{stem}.png" width="{WIDTH}" height="{HEIGHT}">\n'
        for name, parts, holes in objects(index):
            mask = mask_of(parts, holes)[5:, 3:]
            text += f'<mask label="{name}" rle="{", ".join(map(str, runs(mask, False)))}" '
            text += f'left="3" top="5" width="{mask.shape[1]}" height="{mask.shape[0]}"/>\n'
        text += "</image>\n"
    (root / "annotations.xml").write_text(text + "</annotations>\n")
    return root


def brush(mask):
    """A bit stream of Label Studio for a mask: one run of RGBA values for each run of pixels."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = f"{len(values):032b}{7:05b}" + f"{2:04b}{3:04b}{7:04b}{15:04b}"
    ends = [*np.flatnonzero(np.diff(values.astype(int))) + 1, len(values)]
    for start, end in zip([0, *ends], ends, strict=False):
        bits += f"1{3:02b}{end - start - 1:016b}{values[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)]


def label_studio(root, count=24, brushes=False):
    write_images(root / "images", count)
    tasks = []
    for index, stem in enumerate(stems(count)):
        common = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
        result = []
        for name, ring in simple(index):
            points = (np.array(ring) * 100 / (WIDTH, HEIGHT)).tolist()
            value = {"points": points, "closed": True, "polygonlabels": [name]}
            result.append(common | {"type": "polygonlabels", "value": value})
        if brushes:
            result = [
                common
                | {
                    "type": "brushlabels",
                    "value": {
                        "format": "rle",
                        "rle": brush(mask_of(parts, holes)),
                        "brushlabels": [name],
                    },
                }
                for name, parts, holes in objects(index)
            ]
        data = {"image": f"/data/upload/1/{index:08x}-{stem}.png"}
        annotations = [{"result": [], "was_cancelled": True}, {"result": result}]
        tasks.append({"id": index, "data": data, "annotations": annotations})
    write_json(root / "project-1.json", tasks)
    return root


def label_studio_brushes(root, count=24):
    return label_studio(root, count, brushes=True)


def supervisely(root, count=24, bitmaps=False):
    write_images(root / "ds1" / "img", count)
    write_json(root / "meta.json", {"classes": [{"title": name} for name in NAMES[1:]]})
    for index, stem in enumerate(stems(count)):
        found = []
        for name, parts, holes in objects(index):
            for part in parts:
                points = {"exterior": part, "interior": holes}
                found.append({"classTitle": name, "geometryType": "polygon", "points": points})
        if bitmaps:
            found = [
                {
                    "classTitle": name,
                    "geometryType": "bitmap",
                    "bitmap": {"data": packed(mask_of(parts, holes)[2:, 1:]), "origin": [1, 2]},
                }
                for name, parts, holes in objects(index)
            ]
        size = {"height": HEIGHT, "width": WIDTH}
        path = Path(root) / "ds1" / "ann" / f"{stem}.png.json"
        write_json(path, {"description": "", "tags": [], "size": size, "objects": found})
    return root


def supervisely_bitmaps(root, count=24):
    return supervisely(root, count, bitmaps=True)


def png_text(mask):
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes())


def packed(mask):
    """A bitmap of Supervisely: base64 of the deflated PNG."""
    content = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()
    return base64.b64encode(zlib.compress(content)).decode()


def with_splits(write, root, train=20, val=4):
    """The export in folders train and valid, as Roboflow writes it."""
    write(root / "train", train)
    write(root / "valid", val)
    return root


EXPORTS = {
    "image_folder": (image_folder, "image_folder"),
    "labelme": (labelme, "labelme"),
    "coco": (coco, "coco"),
    "coco, run lengths": (coco_rle, "coco"),
    "yolo": (yolo, "yolo"),
    "cvat": (cvat, "cvat"),
    "cvat, masks": (cvat_masks, "cvat"),
    "label_studio": (label_studio, "label_studio"),
    "label_studio, brushes": (label_studio_brushes, "label_studio"),
    "supervisely": (supervisely, "supervisely"),
    "supervisely, bitmaps": (supervisely_bitmaps, "supervisely"),
}
"""By name: the writer, and the data set that reads it."""
