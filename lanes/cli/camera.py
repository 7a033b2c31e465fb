"""The command `lanes camera calibrate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lanes.cli.guard import guarded
from lanes.cli.options import OverwriteOption

camera_app = typer.Typer(help="The camera over the road.", no_args_is_help=True)


@camera_app.callback()
def camera() -> None:
    """The camera over the road: its calibration, for metres."""


@camera_app.command()
def calibrate(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Pictures of a chessboard; folders, patterns."),
    ],
    height: Annotated[
        float, typer.Option(help="Metres from the road up to the mounted camera; measure it.")
    ],
    corners: Annotated[
        str,
        typer.Option(metavar="AxB", help="Inner corners of the chessboard, across and down."),
    ] = "9x6",
    pitch: Annotated[
        float | None,
        typer.Option(help="Degrees downwards, if known; else the lines show the horizon."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path(
        "camera.toml"
    ),
    overwrite: OverwriteOption = False,
) -> None:
    """Find a camera's focal length from pictures of a chessboard; writes camera.toml."""

    def run() -> int:
        from lanes.images.read import read_picture
        from lanes.lines.calibrate import calibrate
        from lanes.lines.camera import checked, toml_of
        from lanes.video.images import find_images
        from lanes.video.output_files import check_place, write_text
        from lanes.video.places import check_apart

        paths = [path for given in images for path in find_images(given)]
        check_place(output, overwrite, ".toml")
        check_apart(paths, [output])
        inside = _inside(corners)
        # Checked before the pictures are read; the focal length is not known yet.
        checked(
            output, {"height": height, "fov": 60, **({} if pitch is None else {"pitch": pitch})}
        )
        found = calibrate(((str(path), read_picture(path)) for path in paths), inside)
        write_text(output, toml_of(found.focal_length, found.size, height, pitch))
        for name in found.missed:
            print(f"no chessboard in {name}")
        print(
            f"{output}: focal length {found.focal_length:.1f} pixels at "
            f"{found.size[1]}x{found.size[0]}, from {found.used} pictures, "
            f"error {found.error:.2f} pixels"
        )
        if abs(found.distortion) > DISTORTED:
            print(
                f"the lens moves the picture's corners by {abs(found.distortion):.0%}, which lanes "
                "does not correct: trust metres near the middle only"
            )
        return 0

    raise typer.Exit(guarded(run))


DISTORTED = 0.05
"""Distortion from which on straight lines are visibly bent."""


def _inside(text: str) -> tuple[int, int]:
    from lanes.errors import BadInput

    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(map(int, match.groups())) < 3:
        raise BadInput(f"--corners {text}: wanted two numbers from 3 on, such as 9x6")
    return int(match[1]), int(match[2])
