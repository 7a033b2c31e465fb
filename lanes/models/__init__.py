"""Architectures: one file each, with `build(classes, ...) -> torch.nn.Module`."""
