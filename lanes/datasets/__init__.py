"""Data sets of labelled images: one module each, with `open(root, split)`.

Each module states `TASK`, `TARGETS`, `MEASURES` and `TERMS`. A folder may override
them (`image_folder`), so read the attributes of the opened data set.
"""
