"""Architectures: one module each, with `build(classes, ...) -> torch.nn.Module`."""
