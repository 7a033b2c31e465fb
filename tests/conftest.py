"""What all tests share: a cache of their own, and a model whose labels are known in advance."""

from __future__ import annotations

import pytest

from model_folders import make_counter, make_model, make_trained


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A test neither finds nor leaves anything in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A model folder that labels by grey value (`model_folders.labels_of`); not to be changed."""
    return make_model(tmp_path_factory.mktemp("models") / "thresholds")


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    """A model folder as training and export leave it; labels by grey value. Not to be changed."""
    return make_trained(tmp_path_factory.mktemp("models") / "trained")


@pytest.fixture(scope="session")
def cell_models(tmp_path_factory):
    """Model folders by their task that label cells by grey value, in tiles; not to be changed."""
    root = tmp_path_factory.mktemp("models")
    return {task: make_counter(root / task, task) for task in ("blood_cells", "cell_count")}
