"""The commands `lanes benchmark models` and `lanes benchmark video`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from lanes.assets import DEFAULT_MODEL
from lanes.cli.groups import Engine, grouped
from lanes.cli.guard import guarded
from lanes.cli.options import FiguresOption, ModelOption, OverwriteOption, Quality, QualityOption


class _ModelsUnlessNamed(typer.core.TyperGroup):
    """A group whose default command is `models`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, "--help")
        return super().parse_args(ctx, args if args and args[0] in known else ["models", *args])


benchmark_app = typer.Typer(
    cls=_ModelsUnlessNamed,
    help="Time models in every backend, or each stage of a video. `lanes benchmark MODEL...` is "
    "short for `lanes benchmark models MODEL...`, whose --help lists the options.",
)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@benchmark_app.command("models")
def benchmark_models(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="Included models or model folders; default: all included."
        ),
    ] = None,
    backends: Annotated[
        str, typer.Option(help="Such as openvino,torch; default: all that work here.")
    ] = "",
    precisions: Annotated[
        str, typer.Option(help="Such as fp32,bf16; default: all that each backend has.")
    ] = "",
    device: Annotated[str | None, typer.Option(help="cpu, gpu, cuda, ...")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; default: all cores.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ROOT", help="Also score on this data set; may be given repeatedly."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the data: train, choose, val, ...")] = "val",
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Also time this network on random input; may be given repeatedly. Its pre- and "
            "postprocessing are not timed.",
        ),
    ] = None,
    shape: Annotated[
        str, typer.Option(help="Input shape for --onnx, if the file leaves it open: 1,3,360,640.")
    ] = "",
    rounds: Annotated[int, typer.Option(help="Rounds of about 1.5 s for each configuration.")] = 10,
    start: Annotated[
        bool,
        typer.Option("--start", help="Also time whole processes, from start to the first labels."),
    ] = False,
    json: FiguresOption = None,
    chart: Annotated[
        Path | None,
        typer.Option(help="PNG to draw: accuracy against latency, or latencies without --data."),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Time models in each backend and precision: latency, throughput, memory, accuracy.

    Exit code 1 if a configuration failed, 2 if nothing could be timed.
    """

    def run() -> int:
        from lanes.benchmark.command import run_models
        from lanes.benchmark.plan import PlanOptions

        options = PlanOptions(
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
        return run_models(options, rounds, start, json, chart, overwrite)

    raise typer.Exit(guarded(run))


@benchmark_app.command("video")
@grouped
def benchmark_video(
    clip: Annotated[str, typer.Argument(metavar="INPUT", help="A video file, or 'demo'.")],
    engine: Engine,
    model: ModelOption = DEFAULT_MODEL,
    hint: Annotated[
        str | None,
        typer.Option(help="latency or throughput; default: as lanes video uses for files."),
    ] = None,
    quality: QualityOption = Quality.fast,
    max_frames: Annotated[int | None, typer.Option(help="Use only this many frames.")] = None,
    rounds: Annotated[
        int, typer.Option(help="Runs of each stage, and of all stages together.")
    ] = 5,
    json: FiguresOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Time each stage of a video alone and all stages overlapped, and name the bottleneck."""

    def run() -> int:
        from lanes.benchmark.command import run_video
        from lanes.benchmark.video import VideoOptions
        from lanes.cli.video import FILES_HINT

        options = VideoOptions(
            clip=clip,
            model=model,
            **vars(engine),
            hint=hint or FILES_HINT,
            quality=quality.value,
            max_frames=max_frames,
        )
        return run_video(options, rounds, json, overwrite)

    raise typer.Exit(guarded(run))
