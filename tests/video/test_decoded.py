import numpy as np
import pytest

from lanes.video.decoded import PlanePool


def addresses(planes):
    return [plane.ctypes.data for plane in planes]


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_planes_have_their_sizes_and_memory_apart(size):
    planes = PlanePool().planes(size)
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    assert [plane.shape for plane in planes] == [size, half, half]
    for value, plane in enumerate(planes):
        plane[:] = value
    assert [np.unique(plane).tolist() for plane in planes] == [[0], [1], [2]]


def test_memory_is_used_again_only_when_no_plane_refers_to_it():
    pool = PlanePool()
    y, u, v = pool.planes((48, 64))
    place = addresses((y, u, v))
    part = v[3:5]
    del y, u, v
    held = pool.planes((48, 64))
    assert not set(addresses(held)) & set(place)
    del part
    assert addresses(pool.planes((48, 64))) == place


def test_another_size_gets_memory_of_its_own():
    pool = PlanePool()
    pool.planes((48, 64))
    assert [plane.shape for plane in pool.planes((96, 64))] == [(96, 64), (48, 32), (48, 32)]
