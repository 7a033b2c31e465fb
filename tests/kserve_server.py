"""A KServe v2 server in this process that labels by grey value, and can hang or answer wrongly."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc

from model_folders import SIZE, labels_of


class KServeServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves the models `names`; `images` counts those that it labelled."""

    def __init__(self, names=("thresholds", "trained"), size=SIZE):
        self.names, self.size, self.images = names, size, 0
        self.port = 0
        self.free = threading.Event()
        self.free.set()
        self.labels_of, self.kind = labels_of, "UINT8"

    @property
    def address(self):
        return f"grpc://127.0.0.1:{self.port}"

    def start(self):
        """Listen; after `stop`, on the same port."""
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()
        return self

    def stop(self):
        """Break off all connections."""
        stopped = self.server.stop(0)
        time.sleep(0.1)  # until calls are broken off, before they could be answered
        self.free.set()
        stopped.wait()

    def ModelMetadata(self, request, context):
        self._check(request.name, context)
        tensor = messages.ModelMetadataResponse.TensorMetadata
        return messages.ModelMetadataResponse(
            name=request.name,
            inputs=[tensor(name="images", datatype=self.kind, shape=[-1, *self.size, 3])],
            outputs=[tensor(name="labels", datatype="UINT8", shape=[-1, *self.size])],
        )

    def ModelInfer(self, request, context):
        self._check(request.model_name, context)
        self.free.wait()
        shape = list(request.inputs[0].shape)
        images = np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(shape)
        labels = self.labels_of(images)
        self.images += 1
        answer = messages.ModelInferResponse(model_name=request.model_name)
        answer.outputs.add(name="labels", datatype="UINT8", shape=labels.shape)
        answer.raw_output_contents.append(labels.tobytes())
        return answer

    def _check(self, name, context):
        if name not in self.names:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: {name!r}")
