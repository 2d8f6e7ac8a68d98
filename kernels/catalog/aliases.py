"""Aliases the user gave: other names for models and presets, kept in the home, one JSON file for all kernels."""

from __future__ import annotations

from modelhub.errors import BadRequest, ModelNotFound, did_you_mean
from modelhub.kernels import settings
from modelhub.kernels.json_file import JsonFile
from modelhub.kernels.protocol.request import short

LONGEST = 100  # characters


class Aliases:
    """`{alias: name}`, read anew when another kernel changes it."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._file = JsonFile(lambda: settings.home() / "aliases.json")

    def all(self) -> dict[str, str]:
        """Every alias and the name it stands for."""
        return {k: v for k, v in sorted(self._file.read().items()) if isinstance(v, str)}

    def get(self, name: str) -> str | None:
        """The name `name` stands for; None when it is no alias."""
        return self.all().get(name)

    def set(self, name: str, target: str) -> None:
        """Let `name` stand for `target`. Raises BadRequest for a name that cannot be typed, StoreFailed."""
        check_name(name, "an alias")
        self._file.change(lambda aliases: aliases.update({name: target}))

    def remove(self, name: str) -> str:
        """Forget an alias; what it stood for. Raises ModelNotFound, StoreFailed."""
        known = self.all()
        if name not in known:
            there = f"you have {', '.join(known)}" if known else "you have none"
            raise ModelNotFound(
                f"you have no alias {short(name)}.{did_you_mean(name, known)} In all {there}", name=name
            )
        self._file.change(lambda aliases: aliases.pop(name, None))
        return known[name]

    @property
    def problems(self) -> list[str]:
        """What is wrong with the file."""
        self._file.read()
        return [self._file.problem] if self._file.problem else []


def check_name(name: str, what: str) -> None:
    """Raises BadRequest for a name that could not be typed behind -m, or reads as a path or a flag."""
    if (
        not name
        or len(name) > LONGEST
        or name != name.strip()
        or not name.isprintable()
        or any(c in name for c in "'\"\\")
    ):
        problem = f"1 to {LONGEST} characters that can be typed, without quotation marks"
    elif name.startswith((".", "~", "/", "-")) or name.endswith(".gguf"):
        problem = "a name that does not look like a path or a flag"
    else:
        return
    raise BadRequest(f"{what} needs {problem}; got {short(name)}", param="name")
