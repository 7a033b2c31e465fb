"""The command `lanes` with its subcommands; larger ones are implemented in their own files.

`lanes-video` is `lanes video`; likewise `lanes-image`, `lanes-webcam` and `lanes-dashboard`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.batch import batch
from lanes.cli.benchmark import benchmark_app
from lanes.cli.camera import camera_app
from lanes.cli.cells import cells_app
from lanes.cli.data import data_app
from lanes.cli.evaluate import evaluate
from lanes.cli.export import export, half
from lanes.cli.groups import (
    Camera,
    Engine,
    LaneLines,
    LaneLinesToFiles,
    VideoInput,
    VideoOutput,
    grouped,
)
from lanes.cli.guard import guarded
from lanes.cli.import_model import import_model
from lanes.cli.lines import lines_app
from lanes.cli.options import (
    AlphaOption,
    ImageAlphaOption,
    InferEveryOption,
    ModelOption,
    OverwriteOption,
    QuietOption,
    TidyOption,
)
from lanes.cli.quantize import quantize
from lanes.cli.recover import recover
from lanes.cli.runs import runs
from lanes.cli.serve import serve
from lanes.cli.stability import stability
from lanes.cli.teachers import distill, teach
from lanes.cli.train import train
from lanes.cli.watch import watch
from lanes.errors import INTERRUPTED

app = typer.Typer(
    name="lanes",
    help="Real-time lane segmentation for video.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that passes unknown options to another program."""
models_app = typer.Typer(help="The included models.")
app.add_typer(models_app, name="models")
app.add_typer(benchmark_app, name="benchmark")
app.add_typer(camera_app, name="camera")
app.add_typer(data_app, name="data")
app.add_typer(lines_app, name="lines")
app.add_typer(cells_app, name="cells")


@app.command()
@grouped
def video(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Video file, folder or glob of images, image, camera index, RTSP/HTTP URL, or "
            "'demo'.",
        ),
    ],
    source: VideoInput,
    result: VideoOutput,
    lane: LaneLinesToFiles,
    camera: Camera,
    engine: Engine,
    model: ModelOption = DEFAULT_MODEL,
    infer_every: InferEveryOption = 1,
    tidied: TidyOption = False,
    show: Annotated[
        bool, typer.Option("--show", help="Show the frames in a window; q quits.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Label videos, images, cameras and streams, and draw the labels (by default the road)."""
    # Imported here, so that --help and usage errors are fast.
    from lanes.cli.video import run_video
    from lanes.pipeline.label_video import Options
    from lanes.pipeline.tidy import tidy

    def run() -> int:
        steps = [tidy] if tidied else []
        options = Options(
            **vars(source),
            **vars(result),
            **vars(lane),
            camera=camera.mode(),
            infer_every=infer_every,
            steps=steps,
        )
        return run_video(inputs, model, engine, options, show, quiet)

    raise typer.Exit(guarded(run))


@app.command()
@grouped
def image(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Image file, folder or glob of images, or 'demo'."),
    ],
    engine: Engine,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for results; default: NAME_lanes next to the input."
        ),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    um_per_pixel: Annotated[
        float | None,
        typer.Option(
            help="Side of a pixel in micrometres; adds cell measures in micrometres. Blood cells "
            "are then found at the size of red cells, 7.5 um."
        ),
    ] = None,
    cell_diameter: Annotated[
        float | None,
        typer.Option(
            metavar="PX",
            help="Typical diameter of the cells in pixels; default: estimated for each image.",
        ),
    ] = None,
    geojson: Annotated[
        bool, typer.Option("--geojson", help="Also write outlines of cells, as QuPath opens them.")
    ] = False,
    rois: Annotated[
        bool, typer.Option("--rois", help="Also write outlines of cells, as ImageJ opens them.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Also write the distribution of sizes (sizes.csv, sizes.png) and the ten most "
            "doubtful cells (doubtful_cells.png).",
        ),
    ] = False,
    page: Annotated[
        int | None,
        typer.Option(metavar="N", help="Page of TIFF files, from 1; default: the first."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Channels of TIFF files, by name or number: one, or red,green,blue.",
        ),
    ] = None,
    alpha: ImageAlphaOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if the count of an image is doubtful.")
    ] = False,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label images of any size; writes overlays, label maps and CSV tables.

    For each image NAME: NAME_overlay.png, NAME_labels.png (8-bit label ids) and a row of
    summary.csv. If the model's task counts cells: also numbered outlines (orange: cut by the
    image's edge), NAME_instances.tif (16 bits) and rows of cells.csv. 16-bit images are scaled by
    the bit depth of their camera (10, 12, 14 or 16). CSV files are UTF-8 with commas.

    A TIFF beyond 50 megapixels is labelled in parts: NAME_instances.tif then has 32 bits and tiles,
    NAME_overlay.png is reduced, and there is no NAME_labels.png.

    Exit code 1 if images or tiles could not be read.
    """

    def run() -> int:
        from lanes import backends
        from lanes.cli.image import run_images
        from lanes.pipeline.label_images import ImageOptions

        hint = backends.THROUGHPUT  # no image is skipped, so latency does not matter
        return run_images(
            inputs,
            output,
            ImageOptions(
                um_per_pixel=um_per_pixel,
                alpha=alpha,
                overwrite=overwrite,
                cell_diameter=cell_diameter,
                geojson=geojson,
                rois=rois,
                report=report,
                page=page,
                channels=tuple(channels.split(",")) if channels else None,
            ),
            lambda: engine.load(model, hint),
            quiet,
            strict,
        )

    raise typer.Exit(guarded(run))


@app.command(context_settings=PASSES_ON)
def dashboard(
    context: typer.Context,
    allow_paths: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Folder whose files the pages may open; also allows stream URLs. May be given "
            "repeatedly. Without it, the pages accept uploads only.",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Another model folder to offer; may be given repeatedly."),
    ] = None,
) -> None:
    """Serve the dashboard on this machine (127.0.0.1) and open it in the browser; Ctrl-C stops it.

    Other options go to Streamlit, such as --server.port 8600 or --server.headless true.
    """

    def run() -> int:
        from lanes.cli.dashboard import run_dashboard

        return run_dashboard(allow_paths or (), model or (), context.args)

    raise typer.Exit(guarded(run))


@app.command()
@grouped
def webcam(
    lane: LaneLines,
    camera: Camera,
    engine: Engine,
    source: Annotated[
        str,
        typer.Argument(
            metavar="[INDEX|URL]",
            help="Camera index, RTSP/HTTP URL, or a video file, played at its own frame rate.",
        ),
    ] = "0",
    model: ModelOption = DEFAULT_MODEL,
    alpha: AlphaOption = 0.5,
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="Show the video, or only record it.")
    ] = True,
    browser: Annotated[
        bool, typer.Option("--browser", help="Show it in the browser, even if a window could open.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the browser page; default: a free one.")] = 0,
    record: Annotated[
        Path | None, typer.Option(help="Record to this video file (H.264), from the first frame.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop this many seconds after the first frame.")
    ] = None,
    tidied: TidyOption = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Label a camera or stream live, and show it; old frames are dropped for the newest.

    Keys: space pause, o overlay, m next model, s snapshot, r record, h help, q quit.
    """

    def run() -> int:
        from lanes import assets
        from lanes.pipeline.lane_options import LaneOptions

        program = assets.app("webcam")
        options = program.WebcamOptions(
            source=source,
            model=model,
            engine=astuple(engine),
            alpha=alpha,
            window=window,
            browser=browser,
            port=port,
            record=record,
            seconds=seconds,
            overwrite=overwrite,
            tidied=tidied,
            camera=camera.mode(),
            lane=LaneOptions(**vars(lane)),
        )
        return int(program.run(options))

    raise typer.Exit(guarded(run))


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    terms: Annotated[
        bool, typer.Option("--terms", help="Print each model's training data and their terms.")
    ] = False,
) -> None:
    """List the included models and the architectures, with parameters and GFLOP."""
    if context.invoked_subcommand is None:
        from lanes.cli.models import list_models, list_terms

        raise typer.Exit(guarded(list_terms if terms else list_models))


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="A model or an architecture (lanes models).")],
) -> None:
    """Print a model's card, and its layers with output shapes."""
    from lanes.cli.models import show_model

    raise typer.Exit(guarded(lambda: show_model(name)))


@app.command()
def doctor(
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Check the TensorRT backend on this machine's GPU instead."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Check the installation: packages, models, backends, codecs and cameras.

    Exit code 0 if lanes works here, 1 if there are problems; each is printed with its cure.
    """

    def run() -> int:
        from lanes.doctor.command import run_doctor, run_gpu

        return run_gpu(json, overwrite) if gpu else run_doctor(json, overwrite)

    raise typer.Exit(guarded(run))


for command in (
    train, runs, batch, watch, serve, export, half, evaluate, quantize, stability, teach, distill,
    recover,
):  # fmt: skip
    app.command()(command)
app.command("import-model")(import_model)


def main() -> None:
    """The command `lanes`."""
    _begin(app)


def _begin(start: Callable[[], object]) -> None:
    """Run a command; Ctrl-C before it begins its work is no traceback."""
    try:
        start()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def run(command: str, argv: Sequence[str] | None = None) -> int:
    """Run `lanes COMMAND ARGV...` (default: the program's arguments); returns the exit code."""
    try:
        _begin(lambda: app([command, *(sys.argv[1:] if argv is None else argv)]))
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
    """Run one command as a separate program."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name=name, context_settings=settings)(command)
    _begin(alias)
