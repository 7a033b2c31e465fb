"""Times `lanes batch`, for a quiet machine: A and B take turns, so read the ratios.

    python scripts/batch_speed.py inputs   # 60 short clips: batch, one lanes video, a shell loop
    python scripts/batch_speed.py split    # two workers with one thread, one with two
    python scripts/batch_speed.py again    # a second run, with 5,000 inputs and nothing to do

The clips are cut out of the demo, or out of --clip FILE, in three containers; two are broken.
Everything is written to a temporary folder, and removed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lanes import assets
from lanes.cli.guard import guarded
from lanes.errors import BackendError
from lanes.pipeline.batch import manifest
from lanes.pipeline.batch.job import Job, Recipe, new_row
from lanes.pipeline.demo_clip import demo_files
from lanes.video.clip import cut_clip

SUFFIXES = (".mp4", ".mkv", ".mov")
BROKEN = 2
CLIPS, FAKES = 60, 5000
LANES = [sys.executable, "-m", "lanes.cli"]

Turn = Callable[[], list[list[str]]]
"""The commands of one way to label, run one after the other."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["inputs", "split", "again"])
    parser.add_argument("--clip", type=Path, help="video to cut the clips from; default: the demo")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a clip")
    parser.add_argument("--count", type=int, help=f"inputs; default: {CLIPS}, or {FAKES} for again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=assets.DEFAULT_MODEL)
    parser.add_argument("--backend", default="auto")
    given = parser.parse_args(argv)
    return guarded(lambda: _run(given))


def _run(given: argparse.Namespace) -> int:
    with TemporaryDirectory() as name:
        folder = Path(name)
        print(f"load average {os.getloadavg()[0]:.1f}, {given.rounds} rounds")
        if given.what == "again":
            return _again(folder, given)
        inputs = make_inputs(folder, given)
        engine = ["--model", given.model, "--backend", given.backend]
        _run_all([[*LANES, "video", str(inputs[0]), "-o", str(folder / "warm.mp4"), *engine]])
        turns = _ways(folder, inputs, engine) if given.what == "inputs" else _splits(folder, engine)
        _compare(turns, folder / "out", given.rounds)
        return 0


def make_inputs(folder: Path, given: argparse.Namespace) -> list[Path]:
    """Write the clips to `folder`/in, the last ones broken; returns their paths."""
    count = given.count or CLIPS
    clip = given.clip or demo_files()[0]
    length = _seconds_of(clip)
    (folder / "in").mkdir()
    paths = [folder / "in" / f"{n:03d}{SUFFIXES[n % len(SUFFIXES)]}" for n in range(count)]
    whole, broken = paths[:-BROKEN], paths[-BROKEN:]
    for number, path in enumerate(whole):
        start = number * given.seconds % max(length - given.seconds, given.seconds)
        cut_clip(clip, path, start, start + given.seconds)
    for path in broken:
        path.write_bytes(b"no video")
    return paths


def _seconds_of(clip: Path) -> float:
    from lanes.video import open_source

    with open_source(clip) as source:
        return source.duration or 0.0


def _ways(folder: Path, inputs: Sequence[Path], engine: list[str]) -> dict[str, Turn]:
    out, names = str(folder / "out"), [str(path) for path in inputs]
    one = ["-o", out, "--quiet", *engine]
    return {
        "lanes batch": lambda: [[*LANES, "batch", str(folder / "in"), "-o", out, *engine]],
        "one lanes video": lambda: [[*LANES, "video", *names, *one]],
        "a loop of lanes video": lambda: [[*LANES, "video", name, *one] for name in names],
    }


def _splits(folder: Path, engine: list[str]) -> dict[str, Turn]:
    start = [*LANES, "batch", str(folder / "in"), "-o", str(folder / "out"), *engine]
    return {
        "2 workers, 1 thread": lambda: [[*start, "--workers", "2", "--threads", "1"]],
        "1 worker, 2 threads": lambda: [[*start, "--workers", "1", "--threads", "2"]],
    }


def _compare(turns: Mapping[str, Turn], out: Path, rounds: int) -> None:
    """Let all take turns; print the seconds of each round, and the ratios to the first one."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            shutil.rmtree(out, ignore_errors=True)
            if "batch" not in turn()[0]:
                out.mkdir()
            seconds[name].append(_run_all(turn()))
            videos = len(list(out.rglob("*_lanes.*")))
            print(f"{name}: {seconds[name][-1]:.1f} s, {videos} videos", flush=True)
    first, *others = seconds
    for name in others:
        ratios = [b / a for a, b in zip(seconds[first], seconds[name], strict=True)]
        print(f"{name} takes {statistics.median(ratios):.2f} times as long as {first}, "
              f"of {', '.join(f'{ratio:.2f}' for ratio in ratios)}")  # fmt: skip


def _run_all(commands: Sequence[Sequence[str]]) -> float:
    """Run them; the seconds that it took. Exit codes 1 and 2 are those of broken inputs."""
    began = time.perf_counter()
    for words in commands:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
            raise BackendError(
                f"{' '.join(words[2:5])} ended with {done.returncode}: {done.stderr}"
            )
    return time.perf_counter() - began


def _again(folder: Path, given: argparse.Namespace) -> int:
    """Time a run that has nothing to do: a manifest of fakes that are done."""
    count, out = given.count or FAKES, folder / "out"
    recipe = Recipe(given.model, backend=given.backend)
    (folder / "in").mkdir()
    with manifest.opened(out) as table:
        for number in range(count):
            path = folder / "in" / f"{number:05d}.mp4"
            path.write_bytes(b"fake")
            (out / path.name).mkdir()
            table.rows[str(path)] = new_row(Job(path, out, path.name), recipe)
        table.begin(())
    words = [*LANES, "batch", str(folder / "in"), "-o", str(out)]
    words += ["--model", given.model, "--backend", given.backend]
    for _ in range(given.rounds):
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        wall, after = time.perf_counter() - began, os.times()
        if f"nothing to label, {count} done before" not in done.stdout:
            raise BackendError(f"it had something to do: {done.stdout}{done.stderr}")
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        print(f"{count} inputs, nothing to do: {wall:.2f} s, {spent:.2f} s of CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
