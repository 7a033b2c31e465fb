"""The commands of `lanes lines`: scores of the benchmarks, and stability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.guard import guarded
from lanes.cli.options import BackendOption, FiguresOption, OverwriteOption, PrecisionOption

lines_app = typer.Typer(help="Lane lines as curves: benchmark scores, steadiness.")
score_app = typer.Typer(help="Score files of lane lines as the benchmarks do.")
lines_app.add_typer(score_app, name="score")

PredictedArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PRED", help="Predictions, in the benchmark's format.")
]
TruthArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="TRUTH", help="The benchmark's labels.")
]


@score_app.command()
def tusimple(
    predicted: PredictedArgument,
    truth: TruthArgument,
    json: FiguresOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """TuSimple: accuracy, FP, FN and F1 of a file of JSON lines."""

    def run() -> int:
        from lanes.metrics.tusimple import score_files
        from lanes.video.output_files import check_place

        check_place(json, overwrite)
        scores = score_files(predicted, truth)
        figures = {**scores._asdict(), "f1": scores.f1}
        return _report({"tusimple": figures}, json)

    raise typer.Exit(guarded(run))


@score_app.command()
def culane(
    predicted: PredictedArgument,
    truth: TruthArgument,
    lists: Annotated[
        list[Path] | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Score only the pictures in this list of the benchmark, such as test5_cross.txt; "
            "repeat for a row each.",
        ),
    ] = None,
    json: FiguresOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """CULane: TP, FP, FN, precision, recall and F1 of folders of .lines.txt files."""

    def run() -> int:
        from lanes.metrics.culane import read_list, score_folders
        from lanes.video.output_files import check_place

        check_place(json, overwrite)
        names = {path.stem: read_list(path) for path in lists or []}
        rows = {}
        for name, pictures in names.items() if names else [("all", None)]:
            counts = score_folders(predicted, truth, pictures)
            rows[name] = {
                "tp": counts.tp,
                "fp": counts.fp,
                "fn": counts.fn,
                "precision": counts.precision,
                "recall": counts.recall,
                "f1": counts.f1,
            }
        return _report(rows, json)

    raise typer.Exit(guarded(run))


@lines_app.command()
def stability(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Video files.")],
    model: Annotated[str, typer.Option(help="A model's name or folder.")] = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    precision: PrecisionOption = "auto",
    json: FiguresOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Measure how steady lines are in clips: found in each frame alone, and tracked.

    Per clip: lines per frame, their mean jump between frames in pixels at width 640 (optical flow
    subtracted), the share of lines lost from frame to frame, and switches of track numbers.
    """

    def run() -> int:
        from dataclasses import asdict

        from lanes import segmenter
        from lanes.pipeline.line_stability import line_stability
        from lanes.pipeline.stages import prefetch, segment
        from lanes.video import VideoSource
        from lanes.video.output_files import check_place

        check_place(json, overwrite)
        rows = {}
        with segmenter.load(model, backend, precision) as loaded:
            for clip in clips:
                with VideoSource(clip) as source:
                    for way, found in line_stability(segment(prefetch(source), loaded)).items():
                        rows[f"{clip.name}, {way}"] = asdict(found)
        return _report(rows, json)

    raise typer.Exit(guarded(run))


def _report(rows: Mapping[str, Mapping[str, float]], json: Path | None) -> int:
    """Print a table of figures, and write them to `json`."""
    from rich.console import Console
    from rich.table import Table

    from lanes.video.output_files import write_json

    table = Table("", *next(iter(rows.values())))
    for name, figures in rows.items():
        shown = [str(v) if isinstance(v, int) else f"{v:.4f}" for v in figures.values()]
        table.add_row(name, *shown)
    Console().print(table)
    if json:
        write_json(json, {name: dict(figures) for name, figures in rows.items()})
    return 0
