"""The command `lanes serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lanes.assets import DEFAULT_MODEL
from lanes.cli.guard import guarded
from lanes.cli.options import ModelOption


def serve(
    model: ModelOption = DEFAULT_MODEL,
    write_repository: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Only write the model to this model repository, and start nothing."
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            help="onnxruntime or python: what runs the model in Triton; default: what is there."
        ),
    ] = None,
    instances: Annotated[
        int, typer.Option(help="Copies of the model that label at the same time.")
    ] = 1,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 have no password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port for gRPC.")] = 8001,
) -> None:
    """Start NVIDIA's Triton Inference Server with a model; Ctrl-C stops it.

    Label with it: lanes video INPUT --backend kserve --device grpc://127.0.0.1:8001
    """

    def run() -> int:
        from lanes import assets
        from lanes.export import repository

        folder = assets.model_folder(model)
        if write_repository is None:
            return _start(folder, platform, instances, host, port)
        written = repository.write(folder, write_repository, platform or "onnxruntime", instances)
        print(f"{written.folder}: {written.batching}")
        return 0

    raise typer.Exit(guarded(run))


def _start(folder: Path, platform: str | None, instances: int, host: str, port: int) -> int:
    """Become the server, with the model in the user's cache."""
    from lanes.export import repository, triton_server

    server = triton_server.find()
    models = repository.cached(folder, platform or server.platform, instances)
    print(f"grpc://{host}:{port}: {folder.name}, once Triton has started", flush=True)
    server.start(models, host, port)
    return 0
