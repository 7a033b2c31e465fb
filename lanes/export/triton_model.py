"""Runs `model.onnx` in Triton's Python backend, for servers without the ONNX Runtime backend.

`lanes.export.repository` copies this file into a model repository, and Triton imports it there, so
it needs ONNX Runtime but no other file of `lanes`. Triton up to 24.10 reads arrays as numpy 1 laid
them out, so tensors pass by DLPack. See https://github.com/triton-inference-server/python_backend.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """The class that Triton looks for, by this name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the network that lies beside this file."""
        sys.unraisablehook = _pass_over_capsules
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        network = str(Path(__file__).with_name("model.onnx"))
        self.session = onnxruntime.InferenceSession(network, options)
        self.images = self.session.get_inputs()[0].name
        self.labels = self.session.get_outputs()[0].name

    def execute(self, requests: list[Any]) -> list[Any]:
        """Label the images of all `requests`, which Triton batched, in one run where it can."""
        batches = [self._images(request) for request in requests]
        if self.session.get_inputs()[0].shape[0] == 1:
            return [self._response(self._run(images)) for images in batches]
        labels = self._run(np.concatenate(batches))
        ends = np.cumsum([len(images) for images in batches])[:-1]
        return [self._response(part) for part in np.split(labels, ends)]

    def _images(self, request: Any) -> Any:
        return np.from_dlpack(triton.get_input_tensor_by_name(request, self.images))

    def _run(self, images: Any) -> Any:
        return self.session.run([self.labels], {self.images: images})[0]

    def _response(self, labels: Any) -> Any:
        tensor = triton.Tensor.from_dlpack(self.labels, np.ascontiguousarray(labels))
        return triton.InferenceResponse([tensor])


def _pass_over_capsules(problem: Any) -> None:
    """Report an error that nobody can catch, but for one that Triton causes with each response.

    It renames the capsules that it took to "used_dlpack", where numpy expects "used_dltensor".
    """
    if "PyCapsule_GetPointer" not in str(problem.exc_value):
        sys.__unraisablehook__(problem)
