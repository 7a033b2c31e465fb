"""Finds a Triton Inference Server on this machine, and its command line for a model.

The wheel of nvidia-pytriton carries Triton with the Python backend alone, NVIDIA's container images
one with ONNX Runtime, too. We start the program itself and do not import pytriton.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lanes import assets
from lanes.backends import _cache
from lanes.errors import MissingDependency

PROGRAM = "tritonserver"
STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class Triton:
    """An installed server: its program, the folder of its backends, and what they run.

    `stub` is the program that runs Python in the server, if it is not among the backends;
    `libraries` are folders of shared libraries.
    """

    program: Path
    backends: Path
    platform: str
    stub: Path | None = None
    libraries: tuple[Path, ...] = ()

    def start(self, models: Path, host: str, port: int) -> None:
        """Become the server of the repository `models`; raises `OSError` if that fails."""
        backends = self.backends if self.stub is None else _with_stub(self)
        words = [
            str(self.program),
            f"--model-repository={models}",
            f"--backend-directory={backends}",
            f"--grpc-address={host}",
            f"--grpc-port={port}",
            "--allow-http=false",
            "--allow-metrics=false",
        ]
        os.execve(self.program, words, self._environment())

    def _environment(self) -> dict[str, str]:
        """Ours, with the packages and libraries of this Python for the server's own."""
        libraries = [
            str(folder) for folder in (*self.libraries, sysconfig.get_config_var("LIBDIR"))
        ]
        paths = {"PYTHONPATH": [path for path in sys.path if path], "LD_LIBRARY_PATH": libraries}
        before = {name: os.environ.get(name, "").split(os.pathsep) for name in paths}
        return os.environ | {
            name: os.pathsep.join(filter(None, dict.fromkeys([*found, *before[name]])))
            for name, found in paths.items()
        }


def find() -> Triton:
    """The server to start: `tritonserver` on the path, or else that of nvidia-pytriton.

    Raises:
        MissingDependency: there is none.
    """
    if found := shutil.which(PROGRAM):
        program = Path(found).resolve()
        backends = program.parents[1] / "backends"
        platform = "onnxruntime" if (backends / "onnxruntime").is_dir() else "python"
        return Triton(program, backends, platform)
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise MissingDependency(
            "lanes serve starts NVIDIA's Triton, which is not here: pip install --no-deps "
            "nvidia-pytriton, or add tritonserver to PATH; --write-repository DIR writes the model "
            "for a server elsewhere"
        )
    package = Path(spec.origin).parent
    triton = package / PROGRAM
    version = ".".join(map(str, sys.version_info[:2]))
    stub = triton / "python_backend_stubs" / version / STUB
    if not stub.is_file():
        raise MissingDependency(
            f"this nvidia-pytriton has no Triton for Python {version}: install a newer one"
        )
    libraries = (package.parent / "nvidia_pytriton.libs",)
    return Triton(triton / "bin" / PROGRAM, triton / "backends", "python", stub, libraries)


def _with_stub(server: Triton) -> Path:
    """The server's backends with its stub, as links in a folder of the user's cache."""
    assert server.stub is not None
    place = assets.cache_folder("triton") / _cache.key(server)[:16]
    python = place / "python"
    python.mkdir(parents=True, exist_ok=True)
    for file in (*(server.backends / "python").iterdir(), server.stub):
        with suppress(FileExistsError):  # of an earlier start
            (python / file.name).symlink_to(file)
    return place
