"""Time the video pipeline (each stage alone and the whole), or models alone; in turns, medians."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lanes import segmenter
from lanes.assets import DEFAULT_MODEL
from lanes.benchmark import ModelBenchmark, VideoBenchmark, benchmark_models, benchmark_video
from lanes.demo import demo_files
from lanes.errors import LanesError


def main(argv: list[str] | None = None) -> int:
    """Parse, time, print a table; exit code 2 for an error of ours."""
    options = argparse.ArgumentParser(description=__doc__)
    what = options.add_subparsers(dest="what", required=True)
    video = what.add_parser("video", help="decode, inference, encode alone and the pipeline")
    video.add_argument("input", help="a video file, or 'demo'")
    video.add_argument("--model", default=DEFAULT_MODEL)
    video.add_argument("--backend", default="auto")
    video.add_argument("--precision", default="auto")
    video.add_argument("--rounds", type=int, default=5)
    video.add_argument("--json", type=Path, help="write the figures to this file")
    models = what.add_parser("models", help="one image through each model, in turns")
    models.add_argument("names", nargs="+", metavar="MODEL", help="a model's name, or its folder")
    models.add_argument("--backend", default="auto")
    models.add_argument("--precision", default="auto")
    models.add_argument("--rounds", type=int, default=100)
    given = options.parse_args(argv)
    try:
        if given.what == "models":
            show_models(benchmark_models(given.names, given.backend, given.precision, given.rounds))
            return 0
        clip = demo_files()[0] if given.input == "demo" else Path(given.input)
        with segmenter.load(given.model, given.backend, given.precision) as loaded:
            figures = benchmark_video(clip, loaded, given.rounds)
        if given.json:
            given.json.write_text(json.dumps(figures.to_dict(), indent=2) + "\n")
    except LanesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    show(figures)
    return 0


def show_models(found: list[ModelBenchmark]) -> None:
    """Print the table of models."""
    table = Table("model", "backend", "p50 ms", "p95 ms", "peak memory MB")
    for one in found:
        engine = f"{one.backend} {one.precision}"
        times = (f"{one.p50 * 1e3:.2f}", f"{one.p95 * 1e3:.2f}")
        table.add_row(one.model, engine, *times, f"{one.memory / 1e6:.0f}")
    Console().print(table)


def show(figures: VideoBenchmark) -> None:
    """Print the table."""
    height, width = figures.size
    console = Console()
    console.print(
        f"{figures.clip} {width}x{height}, {figures.frames} frames, {figures.model} on "
        f"{figures.backend} {figures.precision}, {figures.machine}, median of {figures.rounds}",
        soft_wrap=True,
        highlight=False,
    )
    table = Table("stage", "ms a frame", "FPS")
    for stage in ("decode", "infer", "encode", "pipeline"):
        seconds = getattr(figures, stage)
        table.add_row(stage, f"{seconds * 1e3:.2f}", f"{1 / seconds:.1f}")
    console.print(table)
    console.print(
        f"pipeline {figures.pipeline_fps:.1f} FPS = {figures.ratio:.2f} of "
        f"1 / (decode + infer + encode) = {figures.serial_fps:.1f} FPS"
    )


if __name__ == "__main__":
    sys.exit(main())
