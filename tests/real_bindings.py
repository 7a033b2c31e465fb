"""What NVIDIA's Python bindings really have, read from their wheels, on a machine without a GPU.

The bindings of TensorRT itself are on PyPI, its libraries are not. Importing the bindings only
looks for nine functions of the libraries, and calls none; so empty libraries, made by the C
compiler, will do. mypy's stubgen then writes down all classes, with the types of arguments and
results that the bindings state in their docstrings.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ("tensorrt_bindings.tensorrt", "tensorrt_rtx_bindings.tensorrt_rtx")
"""TensorRT's, or else TensorRT-RTX's, which come with their libraries and have nearly all names."""
FUNCTIONS = re.compile(rb"\0((?:create|get|init)\w*(?:_INTERNAL|Registry|Version|Plugins))(?=\0)")
LIBRARIES = re.compile(rb"\0(lib(?:nvinfer|nvinfer_plugin|nvonnxparser)\.so\.\d+)(?=\0)")


def stub(folder):
    """The stub file `tensorrt.pyi` of the bindings that are installed, written into `folder`."""
    module = next((m for m in MODULES if importlib.util.find_spec(m.partition(".")[0])), None)
    if module is None:
        pytest.skip("neither tensorrt-cu13-bindings nor tensorrt-rtx is installed")
    package = Path(importlib.util.find_spec(module.partition(".")[0]).origin).parent
    places = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    if module == MODULES[0]:
        _empty_libraries(next(package.glob("tensorrt*.so")), folder)
    stubgen = shutil.which("stubgen", path=Path(sys.executable).parent)
    if stubgen is None:
        pytest.skip("mypy, which has stubgen, is not installed")
    done = subprocess.run(
        [stubgen, "--inspect-mode", "-m", module, "-o", str(folder / "out")],
        env={**os.environ, "LD_LIBRARY_PATH": ":".join(places)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (folder / "out").rglob("*.pyi")
    path = folder / "tensorrt.pyi"
    path.write_text(_parsable(made.read_text()) + "__version__: str\n")
    return path


def _empty_libraries(bindings, folder):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, which makes empty libraries for the bindings")
    content = bindings.read_bytes()
    source = "".join(
        f"void {name.decode()}(void) {{}}\n" for name in set(FUNCTIONS.findall(content))
    )
    for name in {name.decode() for name in LIBRARIES.findall(content)}:
        command = [compiler, "-shared", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{name}"]
        command += ["-o", str(folder / name)]
        subprocess.run(command, input=source, text=True, check=True)


def _parsable(text):
    """Without what stubgen writes wrongly: `name` of enumerations in TensorRT 10.0 is no method,
    and the few methods with an argument without a default after one that has it.
    """
    text = text.replace("    def name(self, *args, **kwargs): ...", "    name: str")
    while True:
        try:
            ast.parse(text)
        except SyntaxError as error:
            lines = text.splitlines(keepends=True)
            del lines[error.lineno - 1]
            text = "".join(lines)
        else:
            return text
