"""Facts about the machine behind the figures, and a process's peak memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lanes.system.threads import usable_cores

INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "amx_fp16": "AMX FP16",
    "asimd": "NEON",
    "asimdhp": "NEON FP16",
    "i8mm": "NEON I8MM",
    "bf16": "NEON BF16",
    "sve": "SVE",
}
"""Instruction sets that decide how fast a network runs: Linux flag, common name."""
ENGINES = ("openvino", "onnxruntime", "torch", "tensorrt")
LIBRARIES = ("numpy", "opencv-python-headless", "opencv-python", "av")
"""Distributions whose versions are recorded with every figure, if installed."""


@dataclass(frozen=True)
class Machine:
    """The machine: `cores` that this process may use, `memory` in bytes (0: unknown).

    `load` is the load average of the last minute (-1: unknown); `gpu` the name and driver of each
    NVIDIA GPU; `versions` those of the libraries used; `date` is year-month-day.
    """

    processor: str
    cores: int
    instructions: tuple[str, ...]
    memory: int
    gpu: str
    system: str
    python: str
    versions: dict[str, str]
    load: float
    date: str

    def __str__(self) -> str:
        memory = f", {self.memory / 2**30:.0f} GiB" if self.memory else ""
        special = f" ({', '.join(self.instructions)})" if self.instructions else ""
        gpu = f"; {self.gpu}" if self.gpu else ""
        return f"{self.processor}, {self.cores} cores{special}{memory}{gpu}; {self.system}"

    @property
    def busy(self) -> bool:
        """Whether other programs use so much CPU that timings would be worthless."""
        return self.load > 0.5 * self.cores


def machine() -> Machine:
    """The current facts of this machine."""
    cpu = _cpuinfo()
    flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
    return Machine(
        processor=cpu.get("model name") or _processor(),
        cores=usable_cores(),
        instructions=tuple(name for flag, name in INSTRUCTIONS.items() if flag in flags),
        memory=_memory(),
        gpu=_gpu(),
        system=_system(),
        python=platform.python_version(),
        versions=versions((*ENGINES, *LIBRARIES)),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0,
        date=time.strftime("%Y-%m-%d"),
    )


def versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of the installed distributions among `names`."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory() -> int:
    """Peak memory of this process so far, in bytes; 0 if the system does not report it."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    if sys.platform == "linux":
        # ru_maxrss would include the peak of the parent process.
        peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
        return int(peak[1]) * 1024 if peak else 0
    return getrusage(RUSAGE_SELF).ru_maxrss


def _cpuinfo() -> dict[str, str]:
    """Linux's description of the first core."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _processor() -> str:
    if sys.platform == "darwin":
        return _answer("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    gpus = _answer("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return "; ".join(line.replace(", ", ", driver ") for line in gpus.splitlines())


def _answer(*command: str) -> str:
    """The output of a command; "" if it does not exist or fails."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 0


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel
