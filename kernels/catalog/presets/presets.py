"""The presets in the home: one YAML or TOML file each, read when it changes; one that is bad harms no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelhub.errors import HubError, ImportFailed, ModelNotFound, StateConflict, StoreFailed, did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.catalog.aliases import check_name
from modelhub.kernels.catalog.chat_templates import SUFFIXES as TEMPLATES
from modelhub.kernels.catalog.documents.documents import Document, read_document
from modelhub.kernels.catalog.presets.preset import ANY, CHAT, PARTS, Preset, preset_of
from modelhub.kernels.catalog.presets.preset_file import to_yaml
from modelhub.kernels.protocol.request import EXTENSIONS, short
from modelhub.kernels.settings import write_atomically

SUFFIXES = (".yaml", ".yml", ".toml")


class Presets:
    """Every preset there is. A file put into the folder is there at the next look."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._read: dict[Path, tuple[tuple[int, ...], Preset | str]] = {}
        self.problems: list[str] = []
        """Files that are no presets, and duplicates, one line each, as the folder was last read."""

    @property
    def folder(self) -> Path:
        """Where they lie; it may not exist yet."""
        return settings.home() / "presets"

    def all(self) -> list[Preset]:
        """Every sound preset, by name."""
        self.problems = []
        found: dict[tuple[str, str], Preset] = {}
        for path in self._files():
            preset = self._preset(path)
            if isinstance(preset, str):
                self.problems.append(preset)
                continue
            first = found.setdefault((preset.name, preset.endpoint), preset)
            if first is not preset:
                where = "" if preset.endpoint == ANY else f" for {preset.endpoint}"
                self.problems.append(
                    f"{path}: there is a preset {preset.name!r}{where} already, in {first.path}; this one is not used"
                )
        return sorted(found.values(), key=lambda p: (p.name, p.endpoint))

    def get(self, name: str, endpoint: str = CHAT) -> Preset | None:
        """The preset that is asked by `name` at `endpoint`: the one for it, else the one for all."""
        found = {p.endpoint: p for p in self.all() if p.name == name}
        return found.get(endpoint) or found.get(ANY)

    def add(self, preset: Preset | Mapping[str, Any], force: bool = False) -> Preset:
        """Write a preset, given as one or as a document; it takes another's place with `force` only.

        Raises BadRequest for a document that is none, StateConflict where its name is taken, StoreFailed.
        """
        if isinstance(preset, Mapping):
            preset = preset_of(preset)
        else:
            check_name(preset.name, "a preset")
            preset_of(preset.to_dict())
        same = [p for p in self.all() if (p.name, p.endpoint) == (preset.name, preset.endpoint)]
        if same and not force:
            raise StateConflict(
                f"there is a preset {preset.name!r} already, in {same[0].path}; "
                "--force puts the new one in its place, another name keeps both"
            )
        path = Path(same[0].path) if same and same[0].path else self._new_path(preset)
        if path.suffix == ".toml":  # the old one goes when the new one is there
            write_atomically(self._new_path(preset), to_yaml(preset.to_dict()))
            _unlink(path)
        else:
            write_atomically(path, to_yaml(preset.to_dict()))
        found = self.get(preset.name, preset.endpoint)
        assert found is not None
        return found

    def remove(self, name: str) -> list[str]:
        """Delete a preset, for every endpoint it has; the files that are gone. Raises ModelNotFound, StoreFailed."""
        gone = [p.path for p in self.all() if p.name == name and p.path]
        if not gone:
            names = {p.name for p in self.all()}
            raise ModelNotFound(f"no preset is named {short(name)}.{did_you_mean(name, names)}", name=name)
        for path in gone:
            _unlink(Path(path))
        return gone

    def _files(self) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if p.suffix in SUFFIXES and not p.name.startswith("."))
        except OSError:
            return []

    def _preset(self, path: Path) -> Preset | str:
        """What a file holds, or what is wrong with it in one line; read again when it changed."""
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, *self._templates())
            seen = self._read.get(path)
            if seen is None or seen[0] != stamp:
                seen = self._read[path] = (stamp, self._load(path))
            return seen[1]
        except OSError as error:
            return f"{path}: it cannot be read ({error.strerror or error})"

    def _templates(self) -> list[int]:
        """When the templates beside the presets were written: who changes one changes the presets that name it."""
        try:
            return sorted(p.stat().st_mtime_ns for p in self.folder.iterdir() if p.suffix.lower() in TEMPLATES)
        except OSError:
            return []

    def _load(self, path: Path) -> Preset | str:
        try:
            document = read_document(path)
            if not document.data:
                return f"{path}: it is empty; a preset has registration and local_settings"
            return preset_of(document.data, str(path))
        except ImportFailed as error:
            return str(error)
        except HubError as error:
            return f"{_where(document, error.details.get('param') or '')}: {error}"

    def _new_path(self, preset: Preset) -> Path:
        """A file for it, named after it; never one that is there."""
        endpoint = "" if preset.endpoint == ANY else f".{preset.endpoint}"
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{preset.name}{endpoint}").strip(".-")[:80] or "preset"
        path, number = self.folder / f"{stem}.yaml", 2
        while path.exists():
            path, number = self.folder / f"{stem}-{number}.yaml", number + 1
        return path


def _where(document: Document, param: str) -> str:
    """`FILE, line N` of a field, which may stand under another name or deeper in the document."""
    keys = param.split(".") if param else []
    tried = [keys]
    for part, others in PARTS.items():
        if keys[:1] == [part]:
            tried += [[other, *keys[1:]] for other in others]
    tried += [[*way[:1], inside, *way[1:]] for way in list(tried) for inside in EXTENSIONS]
    found = next((way for way in tried if way and tuple(way) in document.lines), keys)
    return document.where(*found)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be removed ({error.strerror or error})") from error
