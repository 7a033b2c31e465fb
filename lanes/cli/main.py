"""The command `lanes` and all its parts; one file each holds what a larger one does.

`lanes-video` is `lanes video`, and so for `lanes-image`, `lanes-webcam` and `lanes-dashboard`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.benchmark import benchmark_app
from lanes.cli.evaluate import evaluate
from lanes.cli.export import export, half
from lanes.cli.guard import guarded
from lanes.cli.import_model import import_model
from lanes.cli.lines import lines_app
from lanes.cli.options import (
    AlphaOption,
    BackendOption,
    DeviceOption,
    ModelOption,
    OverwriteOption,
    PrecisionOption,
    Quality,
    QualityOption,
    QuietOption,
    ThreadsOption,
)
from lanes.cli.quantize import quantize
from lanes.cli.stability import stability
from lanes.cli.teachers import distill, teach
from lanes.cli.train import train

app = typer.Typer(
    name="lanes",
    help="Real-time lane segmentation for video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that leaves options to another program."""
models_app = typer.Typer(help="The models that come along.")
app.add_typer(models_app, name="models")
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(lines_app, name="lines")


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
    model: ModelOption = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Truth: a folder of label images or a label video; gives IoU per class."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder for 8-bit PNG label maps at the source's size.")
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(help="File for one JSON object a frame: shares, counts, IoU, ms."),
    ] = None,
    quality: QualityOption = Quality.fast,
    show: Annotated[
        bool, typer.Option("--show", help="Show the frames in a window; q ends.")
    ] = False,
    start: Annotated[float | None, typer.Option(help="First second of the input.")] = None,
    end: Annotated[float | None, typer.Option(help="Last second of the input.")] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many frames.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so many seconds (cameras and streams).")
    ] = None,
    infer_every: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Run the network on every Nth frame; optical flow carries its labels between.",
        ),
    ] = 1,
    alpha: AlphaOption = 0.5,
    hud: Annotated[bool, typer.Option("--hud/--no-hud", help="Write FPS, ms and IoU.")] = True,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw what a model sees (by default the road) on videos, images, cameras and streams."""
    # Imported here, so that --help and a mistyped option answer at once.
    from lanes.cli.video import run_video
    from lanes.pipeline.label_video import Options

    options = Options(
        output=output,
        labels=labels,
        masks=masks,
        json=json,
        start=start,
        end=end,
        max_frames=max_frames,
        seconds=seconds,
        infer_every=infer_every,
        alpha=alpha,
        hud=hud,
        overwrite=overwrite,
        quality=quality.value,
    )
    raise typer.Exit(
        guarded(
            lambda: run_video(
                inputs, model, backend, precision, options, show, quiet, device, threads
            )
        )
    )


@app.command()
def image(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Image file, folder or glob of images, or 'demo'."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for the results; default: NAME_lanes beside the input."
        ),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    um_per_pixel: Annotated[
        float | None,
        typer.Option(help="Micrometres of a pixel's side: cells are measured in them, too."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Opacity of the overlay, 0 to 1; default: by the task.")
    ] = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label images of any size: overlays, label maps and tables that a spreadsheet opens.

    For each image NAME: NAME_overlay.png, NAME_labels.png (8-bit label ids) and a row of
    summary.csv; where the model's task counts cells also their outlines and numbers (orange: cut by
    the image's edge), NAME_instances.tif (16 bits) and rows of cells.csv. 16-bit images are scaled
    by the depth of their camera (10, 12, 14 or 16 bits).

    Exit code 1 if images could not be read and were left out.
    """

    def run() -> int:
        from lanes import backends, segmenter
        from lanes.cli.image import run_images
        from lanes.pipeline.label_images import ImageOptions

        hint = backends.THROUGHPUT  # every image is waited for
        return run_images(
            inputs,
            output,
            ImageOptions(um_per_pixel, alpha, overwrite),
            lambda: segmenter.load(model, backend, precision, device, threads, hint),
            quiet,
        )

    raise typer.Exit(guarded(run))


@app.command(context_settings=PASSES_ON)
def dashboard(
    context: typer.Context,
    allow_paths: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Folder whose files the pages may open, addresses of streams too; may be given "
            "repeatedly. Without it pages take uploads only.",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A model folder to offer, too; may be given repeatedly."),
    ] = None,
) -> None:
    """Serve the dashboard on this machine (127.0.0.1) and open it in the browser; Ctrl-C ends it.

    All else is passed to Streamlit, such as --server.port 8600 or --server.headless true.
    """

    def run() -> int:
        from lanes.cli.dashboard import run_dashboard

        return run_dashboard(allow_paths or (), model or (), context.args)

    raise typer.Exit(guarded(run))


@app.command()
def webcam(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[INDEX|URL]",
            help="Camera index, RTSP/HTTP URL, or a video file, which is played at its own rate.",
        ),
    ] = "0",
    model: ModelOption = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    alpha: AlphaOption = 0.5,
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="Show the picture, or only record it.")
    ] = True,
    browser: Annotated[
        bool, typer.Option("--browser", help="Show it in the browser, though a window could open.")
    ] = False,
    port: Annotated[int, typer.Option(help="Of the page in the browser; default: a free one.")] = 0,
    record: Annotated[
        Path | None, typer.Option(help="Video file (H.264) to write from the first frame on.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="End so many seconds after the first frame.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Show what a model sees in a camera or stream, as it happens: the newest frame counts.

    Keys: space pause, o overlay, m next model, s snapshot, r record, h help, q quit.
    """

    def run() -> int:
        from lanes import assets

        program = assets.app("webcam")
        wish = program.Wish(
            source=source,
            model=model,
            engine=(backend, precision, device, threads),
            alpha=alpha,
            window=window,
            browser=browser,
            port=port,
            record=record,
            seconds=seconds,
            overwrite=overwrite,
        )
        return int(program.run(wish))

    raise typer.Exit(guarded(run))


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    terms: Annotated[
        bool, typer.Option("--terms", help="Print the data each model learned from, and its terms.")
    ] = False,
) -> None:
    """List the models that come along and the architectures, with parameters and GFLOP."""
    if context.invoked_subcommand is None:
        from lanes.cli.models import list_models, list_terms

        raise typer.Exit(guarded(list_terms if terms else list_models))


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="A model or an architecture (lanes models).")],
) -> None:
    """Print a model's card, and its layers with their shapes."""
    from lanes.cli.models import show_model

    raise typer.Exit(guarded(lambda: show_model(name)))


@app.command()
def doctor(
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Check the TensorRT backend on this machine's GPU instead."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File for all that was found.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Look at what is installed, what works, and what is chosen and why.

    Exit code 0 if lanes works here, 1 if there are problems, each of them told with its cure.
    """

    def run() -> int:
        from lanes.doctor.command import run_doctor, run_gpu

        return run_gpu(json, overwrite) if gpu else run_doctor(json, overwrite)

    raise typer.Exit(guarded(run))


for command in (train, export, half, evaluate, quantize, stability, teach, distill):
    app.command()(command)
app.command("import-model")(import_model)


def main() -> None:
    """The command `lanes`."""
    app()


def run(command: str, argv: Sequence[str] | None = None) -> int:
    """Run `lanes COMMAND ARGV...` (default: the program's own arguments); gives the exit code."""
    try:
        app([command, *(sys.argv[1:] if argv is None else argv)])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def video_main() -> None:
    """The command `lanes-video`: `lanes video` under a short name."""
    _alone("lanes-video", video)


def image_main() -> None:
    """The command `lanes-image`: `lanes image` under a short name."""
    _alone("lanes-image", image)


def dashboard_main() -> None:
    """The command `lanes-dashboard`: `lanes dashboard` under a short name."""
    _alone("lanes-dashboard", dashboard, PASSES_ON)


def webcam_main() -> None:
    """The command `lanes-webcam`: `lanes webcam` under a short name."""
    _alone("lanes-webcam", webcam)


def _alone(name: str, command: Callable[..., None], settings: dict[str, Any] | None = None) -> None:
    """Run one command as a program of its own."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name=name, context_settings=settings)(command)
    alias()
