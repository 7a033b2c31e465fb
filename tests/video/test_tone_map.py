"""High dynamic range video in standard range: levels by hand, colours through the whole source."""

from __future__ import annotations

import av
import numpy as np
import pytest

from clips import make_clip, read, set_matrix
from lanes.colour import YuvColour
from lanes.video import tone_map
from written_clips import copy, stream_of

BT2020, PQ, HLG = 9, 16, 18
TAGS = {"PQ": (BT2020, BT2020, PQ, 1), "HLG": (BT2020, BT2020, HLG, 1)}


def grey(signal, transfer, peak=1000.0):
    """The level, 0..1, of a grey of an HDR signal, 0..1."""
    red, green, blue = tone_map.standard_range(np.full(3, float(signal)), transfer, peak, BT2020)
    assert red == pytest.approx(green, abs=1e-6)
    assert blue == pytest.approx(green, abs=1e-6)
    return green


# ------------------------------------------------------------------ levels


@pytest.mark.parametrize(("signal", "light"), [(0, 0), (0.508078, 100), (0.580689, 203), (1, 1e4)])
def test_pq_levels(signal, light):
    """BT.2100, and the levels of BT.2408."""
    assert tone_map.pq_to_light(np.array(float(signal))) == pytest.approx(light, rel=1e-4)
    assert tone_map.light_to_pq(light) == pytest.approx(signal, abs=1e-5)


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
def test_greys_rise_from_black_to_white(transfer):
    levels = [grey(signal, transfer) for signal in np.linspace(0, 1, 41)]
    assert levels == sorted(levels)
    assert levels[0] == pytest.approx(0, abs=1e-3)
    assert levels[-1] == pytest.approx(1, abs=1e-3)


def test_reference_white_is_the_same_in_both():
    """203 cd/m2: 58 % of PQ and 75 % of HLG (BT.2408); highlights have room above it."""
    assert grey(0.580689, "PQ") == pytest.approx(grey(0.75, "HLG"), abs=0.003)
    assert 0.85 < grey(0.75, "HLG") < 0.95


@pytest.mark.parametrize("light", [1, 10, 50, 80])
def test_darker_parts_keep_their_light(light):
    signal = float(tone_map.light_to_pq(light))
    assert grey(signal, "PQ") == pytest.approx((light / 203) ** (1 / 2.4), abs=1e-3)


def test_the_brightest_that_a_file_states_is_white():
    for peak in (203.0, 600.0, 4000.0):
        signal = float(tone_map.light_to_pq(peak))
        assert grey(signal, "PQ", peak) == pytest.approx(1, abs=1e-3)
    assert grey(tone_map.light_to_pq(600), "PQ", 4000.0) < 0.99


def test_colours_of_both_gamuts_keep_their_values():
    """A BT.709 colour of 50 cd/m2 at most, in BT.2020 and PQ, is itself again."""
    linear = np.array([0.20, 0.05, 0.12])
    to_2020 = np.linalg.inv(tone_map._to_xyz(BT2020)) @ tone_map._to_xyz(1)
    signal = tone_map.light_to_pq(to_2020 @ linear * 203)
    found = tone_map.standard_range(signal, "PQ", 1000.0, BT2020)
    np.testing.assert_allclose(found, linear ** (1 / 2.4), atol=1e-3)


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
@pytest.mark.parametrize("rgb", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0.5, 0)])
def test_bright_saturated_colours_stay_saturated(transfer, rgb):
    """Brake lights: a BT.709 colour at three times reference white is itself, only less bright."""
    to_2020 = np.linalg.inv(tone_map._to_xyz(BT2020)) @ tone_map._to_xyz(1)
    light = to_2020 @ (np.array(rgb) ** 2.4) * 600
    signal = tone_map.light_to_pq(light) if transfer == "PQ" else hlg_of(light)
    found = tone_map.standard_range(signal, transfer, 1000.0, BT2020)
    assert found.max() > 0.95
    np.testing.assert_allclose(found / found.max(), rgb, atol=0.02)


def hlg_of(light):
    """The HLG signal of R, G and B in cd/m2: the inverse OOTF and the OETF of BT.2100, table 5."""
    luminance = light @ tone_map._to_xyz(BT2020)[1]
    scene = light / 1000 * (luminance / 1000) ** (1 / 1.2 - 1)
    root, log = np.sqrt(3 * scene), np.log(np.maximum(12 * scene - 0.28466892, 1e-9))
    return np.where(scene <= 1 / 12, root, 0.17883277 * log + 0.55991073)


def test_every_colour_stays_in_range():
    for transfer in ("PQ", "HLG"):
        table = tone_map.cube(transfer, 1000.0, BT2020)
        assert (table.min(), table.max()) == (0, pytest.approx(1))
        assert np.isfinite(table).all()


# ------------------------------------------------------------------ videos


def solid(path, transfer, rgb, frames=2, options=None):
    """A lossless clip of one colour: nonlinear RGB of BT.2020, 0..1, as 10-bit 4:2:0."""
    kr, kb = 0.2627, 0.0593
    red, green, blue = rgb
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = [(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)]
    values = [64 + 876 * luma, *(512 + 896 * c for c in chroma)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, {"qp": "0"} | (options or {}))
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = TAGS[
            transfer
        ]
        for _ in range(frames):
            frame = av.VideoFrame(160, 96, "yuv420p10le")
            for plane, value in zip(frame.planes, values, strict=True):
                np.frombuffer(memoryview(plane), np.uint16)[:] = round(value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", ["PQ", "HLG"])
@pytest.mark.parametrize(
    "rgb", [(0, 0, 0), (0.3, 0.3, 0.3), (0.45, 0.3, 0.2), (0.2, 0.5, 0.4), (0.75, 0.7, 0.6)]
)
def test_colours_of_a_video(tmp_path, transfer, rgb):
    frames, source = read(solid(tmp_path / "a.mp4", transfer, rgb))
    assert source.warnings == [f"{tmp_path}/a.mp4 is HDR ({transfer}): converted to standard range"]
    assert source.colour == YuvColour("bt709", full_range=False)
    assert (source.primaries, source.transfer, source.lost) == (1, 1, 0)
    expected = tone_map.standard_range(np.array(rgb), transfer, 1000.0, BT2020)
    found = frames[1].bgr[48, 80, ::-1] / 255
    np.testing.assert_allclose(found, expected, atol=3 / 255)


def test_a_written_video_is_tagged_as_what_it_is(tmp_path):
    source, sink = copy(
        solid(tmp_path / "a.mp4", "HLG", (0.5, 0.4, 0.3), frames=5), tmp_path / "b.mp4"
    )
    assert (sink.frames, source.lost) == (5, 0)
    assert stream_of(tmp_path / "b.mp4")["tags"] == (1, 1, 1)
    assert read(tmp_path / "b.mp4")[1].warnings == []


def test_times_rotation_and_parts_are_kept(tmp_path):
    path = make_clip(tmp_path / "a.mp4", 12, pix_fmt="yuv420p10le", tags=TAGS["HLG"])
    set_matrix(path, (0, 1, -1, 0))
    frames, source = read(path, start=0.2)
    plain = make_clip(tmp_path / "b.mp4", 12, pix_fmt="yuv420p10le", tags=(BT2020, BT2020, 14, 1))
    upright = np.rot90(read(plain, start=0.2)[0][3].planes[0], -1)
    assert source.size == (160, 96) == frames[0].size
    assert [frame.pts * frame.time_base * 25 for frame in frames] == list(range(5, 12))
    assert np.corrcoef(frames[3].planes[0].ravel(), upright.ravel())[0, 1] > 0.9


def test_the_peak_that_a_file_states(tmp_path):
    path = tmp_path / "a.mp4"
    make_clip(
        path,
        2,
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=TAGS["PQ"],
        options={"x265-params": "log-level=none:hdr10=1:max-cll=650,200"},
    )
    with av.open(str(path)) as container:
        assert tone_map.peak_of(next(container.decode(video=0))) == 650
