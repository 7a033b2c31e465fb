"""The commands: `lanes video | image | webcam | dashboard | models | benchmark | doctor`.

`lanes-video` is `lanes video`, and so for `lanes-image`, `lanes-webcam` and `lanes-dashboard`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console

from lanes.errors import INTERRUPTED, WRONG_INPUT, LanesError

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


class _ModelsUnlessNamed(typer.core.TyperGroup):
    """A group whose command `models` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, "--help")
        return super().parse_args(ctx, args if args and args[0] in known else ["models", *args])


benchmark_app = typer.Typer(
    cls=_ModelsUnlessNamed,
    help="Times models in every backend, or a video in every stage. `lanes benchmark MODEL...` is "
    "short for `lanes benchmark models MODEL...`, whose --help tells the options.",
)
app.add_typer(benchmark_app, name="benchmark")


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
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch or classical."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16 or int8, as far as the device has it.")
    ] = "auto",
    device: Annotated[
        str | None,
        typer.Option(help="One of the backend's, such as cpu, gpu or cuda; default: its own."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of the processor, for the network; default: all cores.")
    ] = None,
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
    infer_every: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Run the network on every Nth frame; optical flow carries its labels between.",
        ),
    ] = 1,
    alpha: Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")] = 0.5,
    hud: Annotated[bool, typer.Option("--hud/--no-hud", help="Write FPS, ms and IoU.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Draw what a model sees (by default the road) on videos, images, cameras and streams."""
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
        infer_every=infer_every,
        alpha=alpha,
        hud=hud,
        overwrite=overwrite,
        quality=quality.value,
    )
    raise typer.Exit(
        _guarded(
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
    model: Annotated[
        str, typer.Option(help="A model that comes along (lanes models), or a model folder.")
    ] = "lanes-fcn-lite",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch or classical."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16 or int8, as far as the device has it.")
    ] = "auto",
    device: Annotated[
        str | None,
        typer.Option(help="One of the backend's, such as cpu, gpu or cuda; default: its own."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of the processor, for the network; default: all cores.")
    ] = None,
    um_per_pixel: Annotated[
        float | None,
        typer.Option(help="Micrometres of a pixel's side: cells are measured in them, too."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Opacity of the overlay, 0 to 1; default: by the task.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
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
        from lanes.image_command import run_images
        from lanes.label_images import ImageOptions

        hint = backends.THROUGHPUT  # every image is waited for
        return run_images(
            inputs,
            output,
            ImageOptions(um_per_pixel, alpha, overwrite),
            lambda: segmenter.load(model, backend, precision, device, threads, hint),
            quiet,
        )

    raise typer.Exit(_guarded(run))


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
        from lanes.dashboard_command import run_dashboard

        return run_dashboard(allow_paths or (), model or (), context.args)

    raise typer.Exit(_guarded(run))


@app.command()
def webcam(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[INDEX|URL]",
            help="Camera index, RTSP/HTTP URL, or a video file, which is played at its own rate.",
        ),
    ] = "0",
    model: Annotated[
        str, typer.Option(help="A model that comes along (lanes models), or a model folder.")
    ] = "lanes-fcn-lite",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest here), openvino, onnxruntime, tensorrt, torch or classical."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, fp16 or int8, as far as the device has it.")
    ] = "auto",
    device: Annotated[
        str | None,
        typer.Option(help="One of the backend's, such as cpu, gpu or cuda; default: its own."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of the processor, for the network; default: all cores.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")] = 0.5,
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
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

    raise typer.Exit(_guarded(run))


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


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@benchmark_app.command("models")
def benchmark_models(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Models that come along, or model folders; default: all."
        ),
    ] = None,
    backends: Annotated[
        str, typer.Option(help="Such as openvino,torch; default: all that load here.")
    ] = "",
    precisions: Annotated[
        str, typer.Option(help="Such as fp32,bf16; default: all of each backend.")
    ] = "",
    device: Annotated[str | None, typer.Option(help="cpu, gpu, cuda, ...")] = None,
    threads: Annotated[int | None, typer.Option(help="Of the processor; default: all.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ROOT", help="Score on this data set, too; may be given repeatedly."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Of the data: train, choose, val, ...")] = "val",
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Any other network, on random input, beside the models that are named; its own "
            "preparation and what makes labels of its output are not timed.",
        ),
    ] = None,
    shape: Annotated[
        str, typer.Option(help="Of that network's input, if its file leaves it open: 1,3,360,640.")
    ] = "",
    rounds: Annotated[int, typer.Option(help="Turns of each, of about 1.5 s.")] = 10,
    start: Annotated[
        bool, typer.Option("--start", help="Time whole processes to their first labels, too.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File for all figures.")] = None,
    chart: Annotated[
        Path | None,
        typer.Option(help="PNG to draw: accuracy against latency, or latencies without --data."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Time models in backends at precisions: latency, throughput, memory, agreement, accuracy.

    Exit code 1 if a configuration failed, 2 if nothing could be timed.
    """

    def run() -> int:
        from lanes.benchmark.command import run_models
        from lanes.benchmark.plan import Wish

        wish = Wish(
            models=models or (),
            networks=onnx or (),
            shape=shape,
            backends=_list(backends),
            precisions=_list(precisions),
            device=device,
            threads=threads,
            data=data or (),
            split=split,
        )
        return run_models(wish, rounds, start, json, chart, overwrite)

    raise typer.Exit(_guarded(run))


@benchmark_app.command("video")
def benchmark_video(
    clip: Annotated[str, typer.Argument(metavar="INPUT", help="A video file, or 'demo'.")],
    model: Annotated[str, typer.Option(help="As for lanes video.")] = "lanes-fcn-lite",
    backend: Annotated[str, typer.Option(help="As for lanes video.")] = "auto",
    precision: Annotated[str, typer.Option(help="As for lanes video.")] = "auto",
    device: Annotated[str | None, typer.Option(help="As for lanes video.")] = None,
    threads: Annotated[int | None, typer.Option(help="As for lanes video.")] = None,
    hint: Annotated[
        str | None, typer.Option(help="latency or throughput; default: as lanes video for files.")
    ] = None,
    quality: Annotated[Quality, typer.Option(help="Encoder effort.")] = Quality.fast,
    max_frames: Annotated[int | None, typer.Option(help="Only the first so many frames.")] = None,
    rounds: Annotated[int, typer.Option(help="Runs of each stage, and of all together.")] = 5,
    json: Annotated[Path | None, typer.Option(help="File for all figures.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Time each stage of a video alone, all of them overlapped, and what bounds that."""

    def run() -> int:
        from lanes.benchmark.command import run_video
        from lanes.benchmark.video import VideoWish
        from lanes.commands import FILES_HINT

        wish = VideoWish(
            clip=clip,
            model=model,
            backend=backend,
            precision=precision,
            device=device,
            threads=threads,
            hint=hint or FILES_HINT,
            quality=quality.value,
            max_frames=max_frames,
        )
        return run_video(wish, rounds, json, overwrite)

    raise typer.Exit(_guarded(run))


@app.command()
def doctor(
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Check the TensorRT backend on this machine's GPU instead."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File for all that was found.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Look at what is installed, what works, and what is chosen and why.

    Exit code 0 if lanes works here, 1 if there are problems, each of them told with its cure.
    """

    def run() -> int:
        from lanes.doctor.command import run_doctor, run_gpu

        return run_gpu(json, overwrite) if gpu else run_doctor(json, overwrite)

    raise typer.Exit(_guarded(run))


def _guarded(command: Callable[[], int]) -> int:
    """Run `command`; an error of ours is one line and exit code 2."""
    try:
        return command()
    except LanesError as error:
        console = Console(stderr=True, markup=False, emoji=False, soft_wrap=True)
        console.print(f"error: {error}", style="red")
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


def image_main() -> None:
    """The command `lanes-image`: `lanes image` under a short name."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name="lanes-image")(image)
    alias()


def dashboard_main() -> None:
    """The command `lanes-dashboard`: `lanes dashboard` under a short name."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name="lanes-dashboard", context_settings=PASSES_ON)(dashboard)
    alias()


def webcam_main() -> None:
    """The command `lanes-webcam`: `lanes webcam` under a short name."""
    alias = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    alias.command(name="lanes-webcam")(webcam)
    alias()


if __name__ == "__main__":
    main()
