"""The server's settings: which folders pages may read, and which models they offer."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from lanes import assets
from lanes import card as cards
from lanes.card import ModelCard
from lanes.errors import BadInput, BadModel
from lanes.video.opening import PLAYLISTS, existing, is_url


@dataclass(frozen=True)
class Settings:
    """`allowed`: folders that pages may read; `models`: model folders by name."""

    allowed: tuple[Path, ...] = ()
    models: tuple[tuple[str, Path], ...] = ()

    def cards(self) -> dict[str, ModelCard]:
        """Readable model cards by name, the default model first; see `problems` for the others."""
        found = {}
        for name, folder in self.models:
            with suppress(BadModel):
                found[name] = cards.read(folder)
        default = {name: found.pop(name) for name in (assets.DEFAULT_MODEL,) if name in found}
        return {**default, **found}

    def problems(self) -> list[str]:
        """Why models are missing from `cards`."""
        found = []
        for _, folder in self.models:
            try:
                cards.read(folder)
            except BadModel as error:
                found.append(str(error))
        return found

    def folder(self, model: str) -> Path:
        """The folder of a model in `cards`."""
        return dict(self.models)[model]

    def input(self, given: str) -> str:
        """Return `given` if it is a network URL or lies in an allowed folder.

        Links are resolved first, also those in a folder of images, so none can lead outside.
        FFmpeg's URLs that read files (`file://`, `concat:` ...) are refused.

        Raises:
            BadInput: it may not be read, or the server allows nothing.
        """
        if is_url(given.strip()) and self.allowed:
            return _network_url(given.strip())
        return str(self.path(given))

    def path(self, given: str) -> Path:
        """Resolve a file or folder in an allowed folder; see `input`."""
        given = given.strip()
        if not self.allowed:
            raise BadInput(
                "this server opens no paths or URLs: upload the file, or start the server "
                "with --allow-paths DIR"
            )
        if not given:
            raise BadInput("no path given: enter a path or a stream URL")
        if "\0" in given:
            raise BadInput("the path holds a NUL byte: enter it again")
        # Relative paths are tried in each allowed folder.
        try:
            places = [(folder / Path(given)).resolve() for folder in self.allowed]
            inside = [place for place in places if self._allows(place)]
            found = next((path for path in inside if path.exists()), None)
        except OSError as error:
            raise BadInput(
                f"{given} cannot be opened ({error.strerror}): choose another path"
            ) from error
        if not inside:
            folders = ", ".join(folder.name for folder in self.allowed)
            raise BadInput(f"{given} is outside the folders that this server opens: {folders}")
        if found is None and has_magic(given):
            raise BadInput(f"{given} is a pattern: name one file or a folder of images")
        # Stop here if it is missing: brackets in a folder's name would act as a pattern later.
        found = found or existing(inside[0])
        self._check_content(found, given)
        return found

    def _check_content(self, path: Path, given: str) -> None:
        """Raise `BadInput` if opening `path` would open other files from outside."""
        if path.suffix.lower() in PLAYLISTS:
            raise BadInput(
                f"{given} is a playlist and could open other files: name the video itself"
            )
        try:
            links = [each for each in path.iterdir() if each.is_symlink()] if path.is_dir() else []
        except PermissionError as error:
            raise BadInput(f"{given} is not readable: allow it with chmod +rx") from error
        for link in links:
            if not self._allows(link.resolve()):
                raise BadInput(
                    f"{given} has a link, {link.name}, that leads outside the folders that this "
                    "server opens: replace it by the file, or remove it"
                )

    def public(self, sentence: str) -> str:
        """A message without the places of files on this machine; folders keep their names."""
        places = {f"{folder}/": "" for folder in self.allowed}
        places |= {f"{folder.resolve()}/": "" for folder in self.allowed}
        places |= {str(folder): name for name, folder in self.models}
        places |= {tempfile.gettempdir(): "...", str(Path.home()): "~"}
        for place in sorted(places, key=len, reverse=True):
            sentence = sentence.replace(place, places[place])
        return sentence

    def _allows(self, path: Path) -> bool:
        return any(path.is_relative_to(folder.resolve()) for folder in self.allowed)


PROTOCOLS = ("rtsp", "rtsps", "http", "https")


def _network_url(given: str) -> str:
    protocol = given.partition("://")[0].lower()
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise BadInput(f"{protocol}:// URLs are not allowed: use one of {known}")
    return given


def read(arguments: list[str] | None = None) -> Settings:
    """Parse our part of the command line, which `lanes dashboard` has already checked."""
    parser = argparse.ArgumentParser(prog="lanes dashboard", allow_abbrev=False)
    parser.add_argument("--allow-paths", action="append", default=[], type=Path)
    parser.add_argument("--model", action="append", default=[], type=Path)
    given = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    models = {name: assets.model_folder(name) for name in assets.model_names()}
    models |= {folder.resolve().name: folder.resolve() for folder in given.model}
    return Settings(tuple(given.allow_paths), tuple(models.items()))
