"""FCN on EfficientNet-Lite0, with ImageNet weights for the encoder.

2.46 M parameters, 3.2 GFLOP at 480x360.
"""

from __future__ import annotations

from typing import Any

from lanes.models._efficientnet_lite import LITE0
from lanes.models._fcn_efficientnet_lite import FcnEfficientNetLite


def build(classes: int, **options: Any) -> FcnEfficientNetLite:
    """The network with random weights; `options` are arguments of `FcnEfficientNetLite`."""
    return FcnEfficientNetLite(LITE0, classes, **options)
