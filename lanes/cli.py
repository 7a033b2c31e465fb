"""The commands: `lanes video | models`, and `lanes-video` as a short name for the first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lanes.errors import INTERRUPTED, WRONG_INPUT, LanesError

app = typer.Typer(
    name="lanes",
    help="Real-time lane segmentation for video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models_app = typer.Typer(help="The models that come along.")
app.add_typer(models_app, name="models")


class Quality(StrEnum):
    """How much time the encoder takes for small files."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


@app.command()
def video(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Video file, folder or glob of images, image, camera index, RTSP/HTTP URL, or "
            "'demo'.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File (or folder) to write; default: beside the input."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model that comes along (lanes models), or a model folder.")
    ] = "lanes-fcn-lite",
    backend: Annotated[str, typer.Option(help="auto, openvino or onnxruntime.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    labels: Annotated[
        Path | None,
        typer.Option(help="Truth: a folder of label images or a label video; gives IoU per class."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder for 8-bit PNG label maps at the source's size.")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(help="File for one JSON object a frame: shares, IoU, milliseconds."),
    ] = None,
    quality: Annotated[Quality, typer.Option(help="Encoder effort.")] = Quality.fast,
    show: Annotated[
        bool, typer.Option("--show", help="Show the frames in a window; q ends.")
    ] = False,
    start: Annotated[float | None, typer.Option(help="First second of the input.")] = None,
    end: Annotated[float | None, typer.Option(help="Last second of the input.")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many frames.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so many seconds (cameras and streams).")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")] = 0.5,
    hud: Annotated[bool, typer.Option("--hud/--no-hud", help="Write FPS, ms and IoU.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Draw the road and its lane lines on videos, images, cameras and streams."""
    # Imported here, so that --help and a mistyped option answer at once.
    from lanes.annotate import Options
    from lanes.commands import run_video

    options = Options(
        output=output,
        labels=labels,
        masks=masks,
        json=json,
        start=start,
        end=end,
        max_frames=max_frames,
        seconds=seconds,
        alpha=alpha,
        hud=hud,
        overwrite=overwrite,
        quality=quality.value,
    )
    raise typer.Exit(
        _guarded(lambda: run_video(inputs, model, backend, precision, options, show, quiet))
    )


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that come along and the architectures, with parameters and GFLOP."""
    if context.invoked_subcommand is None:
        from lanes.catalogue import list_models

        raise typer.Exit(_guarded(list_models))


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="A model or an architecture (lanes models).")],
) -> None:
    """Print a model's card, and its layers with their shapes."""
    from lanes.catalogue import show_model

    raise typer.Exit(_guarded(lambda: show_model(name)))


def _guarded(command: Callable[[], int]) -> int:
    """Run `command`; an error of ours is one line and exit code 2."""
    try:
        return command()
    except LanesError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def main() -> None:
    """The command `lanes`."""
    app()


def video_main() -> None:
    """The command `lanes-video`: `lanes video` under a short name."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name="lanes-video")(video)
    alias()


if __name__ == "__main__":
    main()
