"""Where pairs of images and truth come from: one file each, with `open(root, split)`.

A module states `TASK`, `TARGETS`, `MEASURES`, `SOFT_CLASS` and `TERMS`. Where a folder can say
otherwise (`image_folder`), the attributes of the opened data set are what counts.
"""
