"""What models, engines and the pipeline cost: `lanes benchmark`.

Each configuration (a model in a backend at a precision) has a process of its own, and all of them
take turns of half a second, in an order that is drawn anew each round. So a machine whose speed
drifts slows all alike, and no engine is measured beside another's threads: these spin on after a
result, as left alone for 40 ms in ONNX Runtime 1.32, 10 ms in PyTorch 2.14 and 2 ms in OpenVINO
2026.4 (processor time on 2 cores), which is why a turn begins with images that do not count.
"""
