"""Follow lane lines through a video: a line keeps its number, and its curve stays calm.

A Kalman filter (Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960) smooths
the coefficients of each curve. Its measurement is the curve fitted in a frame, whose precision says
what was seen of the line: a dash near the camera says little about the far end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lanes.lines.bundle import Bundle
from lanes.lines.camera import Calibration, calibrated_bundle
from lanes.lines.curve import Curve, terms
from lanes.lines.find import GRID, LEAST, Fit, Found, find, place_of
from lanes.lines.lane_lines import confidences_of, points_of, sides_of, size_of, top_of
from lanes.lines.paint import Picture, looks
from lanes.types import Colour, Kind, LabelMap, LaneLine, Side, Size

Floats = NDArray[np.floating]
Name = TypeVar("Name", Kind, Colour)

RATE = 25.0
"""Frames a second for which the figures below hold; they scale with time."""
DRIFT, DRIFT_SLOPE = 0.5, 0.015
"""How far a curve moves in a frame: pixels at width 640, plus pixels a row from the horizon."""
SHARE = 0.03
"""Runs of neighbouring rows and frames err alike: only this share of their precision counts."""
CAMERA = (2.0, 1.5, 60.0, 2000.0, 10.0)
"""How far the bundle's x, horizon, k, j and m move in a frame, at width 640."""
LIFT, SHIFT = 4.0, 6.0
"""The curves' horizon lies 4 pixels (at width 640) above the bundle's, and follows it in steps."""
GATE = 0.65
"""The farthest that a line may be from its track, in camera heights."""
STEER = 0.2
"""How fast the common sideways motion follows that of a frame."""
BIRTH, DEATH = 3, 0.5
"""A line is reported once it was seen in 3 frames, and dropped after so many seconds unseen."""
CROSSED = 0.1
"""A line changes sides when it is so far past the camera, in camera heights."""
CALM = 0.3
"""How fast confidence and top follow those of a frame."""
MEMORY = 0.95
"""Weight of the earlier kinds and colours against those of a frame."""
LOOK_EVERY = 4
"""Kind and colour are looked at in every fourth frame."""


@dataclass
class Track:
    """One line over time; `state` (4,) and `spread` (4, 4): coefficients and their covariance.

    `top` is its highest row, `right` its side, `place` its distance from the camera in camera
    heights. `hits` counts the frames in which it was seen, `unseen` the seconds since. `kinds` and
    `colours` hold the weight of each.
    """

    number: int
    state: Floats
    spread: Floats
    top: float
    confidence: float
    right: bool
    place: float = 0.0
    hits: int = 1
    unseen: float = 0.0
    kinds: dict[Kind, float] = field(default_factory=dict)
    colours: dict[Colour, float] = field(default_factory=dict)

    def update(self, fit: Fit, top: float, confidence: float) -> None:
        """Take in the curve of a frame, its highest row and its confidence."""
        weight = SHARE * fit.weight
        # The same as inv(inv(spread) + weight), with one inversion.
        self.spread = np.linalg.solve(np.eye(len(weight)) + self.spread @ weight, self.spread)
        self.state = self.state + self.spread @ (weight @ (fit.curve.coefficients - self.state))
        self.top += CALM * (top - self.top)
        self.confidence += CALM * (confidence - self.confidence)
        self.hits, self.unseen = self.hits + 1, 0.0


class LineTracker:
    """The lane lines of a video, frame by frame, each with its `track` number.

    `found` is what the last frame showed on its own. A `calibration` with a pitch helps in the
    first frames.
    """

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration
        self.tracks: list[Track] = []
        self.found: Found | None = None
        self._size: Size = (0, 0)
        self._horizon = 0.0
        self._drift = 0.0  # of all lines, in camera heights a second
        self._frames = 0
        self._numbers = count(1)

    def update(
        self,
        labels: LabelMap,
        picture: Picture | None = None,
        size: Size | None = None,
        seconds: float = 1 / RATE,
    ) -> list[LaneLine]:
        """The lines of the next frame, from left to right, `seconds` after the last one.

        The other arguments are those of `find_lines`. A frame of another size, or after a gap of
        more than half a second, starts anew.
        """
        size, seconds = size_of(labels, picture, size), max(seconds, 1e-3)
        if self.found is None or size != self._size or seconds > DEATH:
            self._start(labels, size)
        assert self.found is not None
        old = self.found.bundle
        self._lift_horizon(old, size)
        prior = replace(old, spread=old.spread + seconds * RATE * _camera_noise(size))
        found = self.found = find(labels, size, prior, self._horizon)
        seen = self._follow(found, size, seconds)
        if self._frames % LOOK_EVERY == 0:
            described = looks(found, labels, picture, size)
            for track, (kind, colour) in zip(seen, described, strict=True):
                _vote(track.kinds, kind)
                _vote(track.colours, colour)
        self._frames += 1
        return self._lines(found.bundle, size)

    def _start(self, labels: LabelMap, size: Size) -> None:
        self._size, self._frames, self.tracks = size, 0, []
        self.found = find(labels, size, calibrated_bundle(self.calibration, size))
        self._horizon = self.found.bundle.horizon - LIFT * size[1] / 640

    def _lift_horizon(self, bundle: Bundle, size: Size) -> None:
        """Rewrite the curves if the camera's horizon has left theirs."""
        unit = size[1] / 640
        wanted = bundle.horizon - LIFT * unit
        if abs(wanted - self._horizon) < SHIFT * unit:
            return
        grid = np.linspace(bundle.horizon + LEAST * size[0], size[0] - 1, GRID)
        old, new = (terms(grid, horizon, size[0]) for horizon in (self._horizon, wanted))
        change = np.linalg.lstsq(new, old, rcond=None)[0]
        for track in self.tracks:
            track.state = change @ track.state
            track.spread = change @ track.spread @ change.T
        self._horizon = wanted

    def _follow(self, found: Found, size: Size, seconds: float) -> list[Track]:
        """Move all tracks on by one frame; gives the track of each of the frame's lines."""
        self._predict(size, seconds)
        pairs, ahead = _matches(self.tracks, found, self._horizon, size)
        self._drift = self._drift + STEER * ahead / seconds if pairs else 0.0
        seen = []
        for i, confidence in enumerate(confidences_of(found, size)):
            top = top_of(found.fits[i], found, size)
            if i in pairs:
                pairs[i].update(found.fits[i], top, confidence)
            seen.append(pairs[i] if i in pairs else self._born(found.fits[i], top, confidence))
        self._drop(found.bundle, size)
        return seen

    def _predict(self, size: Size, seconds: float) -> None:
        """Move the curves sideways, and let them become less certain."""
        noise, sideways = _motion(self._horizon, size)
        for track in self.tracks:
            if track.unseen:
                track.confidence *= (1 - CALM) ** (seconds * RATE)
            track.spread = track.spread + seconds * RATE * noise
            track.state = track.state + self._drift * seconds * sideways
            track.unseen += seconds

    def _born(self, fit: Fit, top: float, confidence: float) -> Track:
        spread = np.linalg.inv(SHARE * fit.weight)
        state = fit.curve.coefficients
        number = next(self._numbers)
        track = Track(number, state, spread, top, confidence, right=fit.place >= 0)
        self.tracks.append(track)
        return track

    def _drop(self, bundle: Bundle, size: Size) -> None:
        """Forget tracks long unseen, and those on the line of an older track; place the others."""
        kept: list[Track] = []
        for track in sorted(self.tracks, key=lambda track: -track.hits):
            track.place = place_of(self._curve(track, size), bundle, size)
            if track.unseen < DEATH and all(abs(t.place - track.place) > GATE for t in kept):
                kept.append(track)
        self.tracks = kept

    def _curve(self, track: Track, size: Size) -> Curve:
        return Curve(self._horizon, size[0], track.state)

    def _lines(self, bundle: Bundle, size: Size) -> list[LaneLine]:
        """What the tracks say."""
        for track in self.tracks:
            if abs(track.place) > CROSSED:
                track.right = track.place > 0
        sure = [track for track in self.tracks if track.hits >= min(BIRTH, self._frames)]
        sure.sort(key=lambda track: (track.right, track.place))
        # A line that has hardly crossed keeps its side.
        places = [max(t.place, 0.0) if t.right else min(t.place, -1e-9) for t in sure]
        confidences = [track.confidence for track in sure]
        sides = sides_of(places, confidences)
        curves, tops = [self._curve(t, size) for t in sure], [track.top for track in sure]
        points = points_of(curves, tops, confidences, bundle, size)
        return [
            _line(track, own, side)
            for track, own, side in zip(sure, points, sides, strict=True)
            if len(own) > 1
        ]


def _line(track: Track, points: NDArray[np.float32], side: Side | None) -> LaneLine:
    kind, colour = _winner(track.kinds), _winner(track.colours)
    return LaneLine(points, side, kind, colour, track.confidence, track.number)


def _camera_noise(size: Size) -> Floats:
    unit = size[1] / 640
    return np.diag(np.square(np.array(CAMERA) * np.array([unit, unit, unit**2, unit**3, unit**2])))


@lru_cache(maxsize=16)
def _motion(horizon: float, size: Size) -> tuple[Floats, Floats]:
    """The covariance (4, 4) that a curve gains in a frame; its change (4,) by one camera height."""
    v = np.linspace(LEAST * size[0], size[0] - 1 - horizon, GRID)
    moved = DRIFT * size[1] / 640 + DRIFT_SLOPE * v
    on_grid = terms(horizon + v, horizon, size[0])
    noise = np.linalg.inv(on_grid.T @ (on_grid / (GRID * moved * moved)[:, None]))
    return noise, np.linalg.lstsq(on_grid, v, rcond=None)[0]


def _matches(
    tracks: list[Track], found: Found, horizon: float, size: Size
) -> tuple[dict[int, Track], float]:
    """The track of each line that has one, the nearest pairs first.

    And how far the lines are to the right of their tracks, in camera heights: the median.
    """
    if not tracks or not found.fits:
        return {}, 0.0
    y = np.array([_where_seen(fit, found) for fit in found.fits])
    on_rows = terms(y, horizon, size[0])
    ours = on_rows @ np.stack([fit.curve.coefficients for fit in found.fits])[:, :, None]
    theirs = on_rows @ np.stack([track.state for track in tracks], axis=1)  # (F, 2, K)
    scale = found.bundle.scale(found.bundle.rows_below(y, size)).sum(axis=1)
    ahead = ((ours - theirs).sum(axis=1) / scale[:, None]).T
    away = (np.abs(ours - theirs).sum(axis=1) / scale[:, None]).T
    pairs: dict[int, Track] = {}
    matched = []
    for flat in np.argsort(away, axis=None).tolist():
        track, line = divmod(flat, len(found.fits))
        if away[track, line] > GATE:
            break
        if line not in pairs and tracks[track] not in pairs.values():
            pairs[line] = tracks[track]
            matched.append(ahead[track, line])
    return pairs, float(median(matched)) if matched else 0.0


def _where_seen(fit: Fit, found: Found) -> tuple[float, float]:
    """The row in the middle of a line's runs, and its lowest."""
    y = found.strands.y[fit.runs] if len(fit.runs) else np.array([fit.curve.height])
    return float(y[len(y) // 2]), float(y[-1])


def _vote(votes: dict[Name, float], name: Name | None) -> None:
    """Let the earlier votes fade, and add one."""
    for other in votes:
        votes[other] = votes[other] * MEMORY
    if name is not None:
        votes[name] = votes.get(name, 0.0) + 1


def _winner(votes: dict[Name, float]) -> Name | None:
    """The name with the majority of the votes, if any."""
    if not votes:
        return None
    name = max(votes, key=lambda name: votes[name])
    return name if votes[name] > 0.5 * sum(votes.values()) else None
