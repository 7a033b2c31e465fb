"""The names that the TensorRT backend calls exist in NVIDIA's bindings, with those arguments.

The names are those that stand in our source: mypy checks it against the bindings as their wheels
have them (`real_bindings`). That is an approximation: it says nothing of what the calls do. For
another version than the installed one, say TensorRT 10:

    pip install --no-deps --target /tmp/trt10 tensorrt-cu13-bindings==10.16.1.11
    PYTHONPATH=/tmp/trt10 pytest tests/backends/test_tensorrt_names.py
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import deque
from functools import reduce
from pathlib import Path

import pytest

import real_bindings

FOLDER = Path(__file__).parents[2] / "lanes" / "backends"
SOURCES = [FOLDER / "tensorrt.py", FOLDER / "_tensorrt_build.py"]
CUDA = FOLDER / "_tensorrt_gpu.py"
WRONG_NAME = re.compile(r"\[(attr-defined|call-arg|name-defined)\]$")
GONE = re.compile(r'Missing named argument "gone" for "(\w+)"')


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """The stub file of the bindings."""
    return real_bindings.stub(tmp_path_factory.mktemp("bindings"))


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """The errors that mypy finds in our sources with a stub file for `tensorrt`."""
    cache = tmp_path_factory.mktemp("cache")

    def find(stub, sources=SOURCES):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={cache}"]
            + ["--show-absolute-path", "--follow-imports=skip", str(stub), *map(str, sources)],
            env={**os.environ, "MYPYPATH": str(stub.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode < 2, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        return [line for line in lines if line.startswith(tuple(map(str, sources)))]

    return find


def test_every_name_exists(stub, complaints):
    assert not [line for line in complaints(stub) if WRONG_NAME.search(line)]


def called(source):
    """The names of the methods that a file calls, without those of our own modules."""
    tree = ast.parse(source.read_text())
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    ours = {a.asname or a.name for n in imports if n.module.startswith("lanes") for a in n.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            value = node.func.value
            if not (isinstance(value, ast.Name) and value.id in ours):
                yield node.func.attr


def test_every_call_is_looked_at(stub, complaints, tmp_path):
    """With one more argument in every method of the bindings, each of our calls is wrong."""
    tree = ast.parse(stub.read_text())
    methods = [
        method
        for kind in tree.body
        if isinstance(kind, ast.ClassDef)
        for method in kind.body
        if isinstance(method, ast.FunctionDef) and not method.decorator_list
    ]
    for method in methods:
        method.args.kwonlyargs.append(ast.arg("gone", ast.Name("int")))
        method.args.kw_defaults.append(None)
    names = {name for source in SOURCES for name in called(source)}
    names &= {method.name for method in methods}
    names -= {*dir(list), *dir(dict), *dir(deque)}
    assert len(names) > 15
    changed = tmp_path / stub.name
    changed.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    found = complaints(changed)
    seen = {match[1] for line in found if (match := GONE.search(line))}
    assert sorted(names - seen) == []


def chains(tree, roots):
    """The dotted names in a file that start with one of `roots`: ["runtime", "cudaMalloc"], ..."""
    typed = {
        node.target.id: node.annotation
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    for node in ast.walk(tree):
        chain = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
            if isinstance(node, ast.Name) and node.id in typed:  # properties.major
                node, chain = typed[node.id], chain[:1]
        if isinstance(node, ast.Name) and node.id in roots and chain:
            yield [node.id, *chain]


def test_every_name_of_cuda_exists():
    bindings = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings not installed")
    from cuda.bindings import nvml

    roots = {"runtime": bindings, "nvml": nvml}
    found = list(chains(ast.parse(CUDA.read_text()), roots))
    assert ["runtime", "cudaDeviceProp", "major"] in found
    assert ["runtime", "cudaMemcpyKind", "cudaMemcpyHostToDevice"] in found
    assert len({tuple(chain) for chain in found}) > 25
    for root, *names in found:
        assert reduce(getattr, names, roots[root]) is not None


def test_a_wrong_name_is_found(stub, complaints, tmp_path):
    source = tmp_path / "misspelt.py"
    text = SOURCES[1].read_text()
    for right, wrong in (
        ("num_errors", "number_of_errors"),
        ("trt.BuilderFlag.TF32", "trt.BuilderFlag.TF33"),
        ("ignore_mismatch=", "ignore="),
        ("create_builder_config()", "create_builder_config(network)"),
        ("cache.serialize()", "cache.serialise()"),
    ):
        assert right in text
        text = text.replace(right, wrong)
    source.write_text(text)
    wrong = "\n".join(line for line in complaints(stub, [source]) if WRONG_NAME.search(line))
    for name in ("number_of_errors", "TF33", '"ignore"', "create_builder_config", "serialise"):
        assert name in wrong
