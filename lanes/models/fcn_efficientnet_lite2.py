"""FCN on EfficientNet-Lite2, with ImageNet weights for the encoder.

3.87 M parameters, 6.1 GFLOP at 640x352.
"""

from __future__ import annotations

from typing import Any

from lanes.models._efficientnet_lite import LITE2
from lanes.models._fcn_efficientnet_lite import FcnEfficientNetLite


def build(classes: int, decoder: tuple[int, int] = (96, 48), **options: Any) -> FcnEfficientNetLite:
    """The network with random weights; `options` are arguments of `FcnEfficientNetLite`."""
    return FcnEfficientNetLite(LITE2, classes, decoder=decoder, **options)
