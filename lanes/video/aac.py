"""Convert a stream of sound to AAC."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream

_SAMPLES = 1024
"""Samples in a packet of AAC."""
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_LAYOUTS = {1: "mono", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""By the number of channels; others become stereo."""
_BITS_PER_CHANNEL = 80_000


class AacTrack:
    """A stream of sound, converted to AAC from second 0 on; gaps become silence.

    Raises `ValueError` if it cannot be decoded.
    """

    def __init__(self, stream: AudioStream, output: OutputContainer) -> None:
        context = stream.codec_context
        if context is None or not context.sample_rate:
            raise ValueError("it cannot be decoded")
        self._decoder = context
        self._rate = context.sample_rate if context.sample_rate in _RATES else 48000
        self._layout = _LAYOUTS.get(context.layout.nb_channels, "stereo")
        self._stream = output.add_stream("aac", self._rate, layout=self._layout)
        self._stream.bit_rate = _BITS_PER_CHANNEL * self._stream.codec_context.layout.nb_channels
        self._stream.metadata.update(stream.metadata)
        self._graph: Graph | None = None

    def packets(self, packet: Packet[Stream] | None) -> Iterator[Packet[Stream]]:
        """The packets that are ready after adding `packet`; None ends the track."""
        if packet is None:
            yield from self._encoded(None)
            yield from self._stream.encode(None)
            return
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            return  # A damaged packet leaves a gap.
        for frame in frames:
            yield from self._encoded(frame)

    def _encoded(self, frame: AudioFrame | None) -> Iterator[Packet[Stream]]:
        if self._graph is None:
            if frame is None:
                return
            self._graph = self._new_graph(frame)
        self._graph.push(frame)
        while True:
            try:
                ready = cast(AudioFrame, self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield from self._stream.encode(ready)

    def _new_graph(self, frame: AudioFrame) -> Graph:
        """Sound from second 0 on, without gaps, in the encoder's format."""
        graph = Graph()
        kind = f"sample_fmts=fltp:sample_rates={self._rate}:channel_layouts={self._layout}"
        graph.link_nodes(
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=Fraction(frame.time_base or Fraction(1, frame.sample_rate)),
            ),
            graph.add("aresample", f"{self._rate}:async=1:first_pts=0"),
            graph.add("aformat", kind),
            graph.add("asetnsamples", f"n={_SAMPLES}:p=0"),
            graph.add("abuffersink"),
        ).configure()
        return graph
