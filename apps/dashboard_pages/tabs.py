"""What a browser tab runs and stores, until it is closed for good."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import streamlit as st

from dashboard_pages import returning
from dashboard_pages.player import Clip
from lanes.system import memory

AWAY_SECONDS = 5.0
"""A connection lost for less is not worth a message."""
Kind = TypeVar("Kind")


class Runs(Protocol):
    """A running pipeline of a tab, with a folder that is removed when it closes."""

    @property
    def folder(self) -> Path:
        """The folder for its files."""

    def pause(self) -> None:
        """Free the CPU; does nothing if it is not running."""

    def stop(self) -> None:
        """Stop its threads; keep what it made."""

    def finished(self) -> tuple[Path, Path] | None:
        """The newest complete recording, if there is one."""

    def close(self) -> None:
        """Stop its threads and its feeds."""


class Tab:
    """The pipelines of one browser tab, by name, and its temporary folder."""

    def __init__(self) -> None:
        self.visitor = returning.Visitor("", "")
        self.message = ""
        """What to say to a visitor who was away."""
        self._temporary = tempfile.TemporaryDirectory(prefix="lanes-tab-")
        self.folder = Path(self._temporary.name)
        self.players: dict[str, Runs] = {}
        self._number = 0

    def opened(self, opens: Callable[[Path], Clip]) -> tuple[Path, Clip]:
        """Open a clip in a new folder; the folder is removed on an error."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        try:
            return folder, opens(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def running(self, name: str, kind: type[Kind]) -> Kind | None:
        """The player of that name, if it is of this kind."""
        player = self.players.get(name)
        return player if isinstance(player, kind) else None

    def play(self, name: str, player: Runs) -> None:
        """Add a player, closing any earlier one of that name and pausing the others."""
        self.stop(name)
        self.pause()
        self.players[name] = player

    def pause(self) -> None:
        """Pause all players."""
        for player in self.players.values():
            player.pause()

    def stop(self, name: str) -> None:
        """Close a player and remove its files."""
        if player := self.players.pop(name, None):
            player.close()
            shutil.rmtree(player.folder, ignore_errors=True)
            del player
            memory.trim()

    def end(self) -> None:
        """End all players after their visitor has left; keep those that recorded something."""
        kept = False
        for name, player in list(self.players.items()):
            player.stop()
            if player.finished():
                kept = True
            else:
                self.stop(name)
        self.message = "The connection was lost for over two minutes, so the run was ended."
        self.message += " What was recorded until then is below." if kept else ""

    def returned(self, seconds: float) -> None:
        """Note that the visitor was away for `seconds`."""
        if not self.message and seconds > AWAY_SECONDS:
            self.message = f"The connection was lost for {seconds:.0f} s; the run went on."

    def close(self) -> None:
        """Close all players and remove all files."""
        for name in list(self.players):
            self.stop(name)
        self._temporary.cleanup()


@st.cache_resource(scope="session", on_release=returning.leave, show_spinner=False)
def current() -> Tab:
    """The current browser tab: the one that the visitor left, or a new one."""
    visitor = returning.visitor()
    tab = returning.found(visitor) or Tab()
    tab.visitor = visitor
    if returning.from_before_a_restart(visitor):
        tab.message = "The server was restarted: what ran before has ended."
    return tab
