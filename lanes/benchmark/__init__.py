"""Times models, engines and the pipeline: `lanes benchmark`.

Each configuration (a model in a backend at a precision) runs in its own process. The processes take
turns of half a second, in a new random order each round, so a machine whose speed drifts slows all
of them equally, and no engine competes with another's threads. Those keep spinning after a result,
by default for 40 ms in ONNX Runtime 1.32, 10 ms in PyTorch 2.14 and 2 ms in OpenVINO 2026.4 (CPU
time on 2 cores), so each turn begins with untimed warm-up images.
"""
