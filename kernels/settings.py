"""Where modelhub keeps things, and the few settings that outlive a kernel.

`MODELHUB_HOME` names the home folder; elsewhere it is the user's data folder as platformdirs knows it. Nothing is
written before there is something to keep, and a home that cannot be written to costs the memory of it, not the answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modelhub.errors import StoreFailed


def home() -> Path:
    """The home folder; it may not exist yet."""
    named = os.environ.get("MODELHUB_HOME")
    if named:
        folder = Path(named)
        with contextlib.suppress(RuntimeError):  # ~name of nobody here: a folder that is called so
            folder = folder.expanduser()
        return folder.absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("modelhub", appauthor=False))


def models_home() -> Path:
    """The folder whose .gguf files are models; it may not exist yet."""
    return home() / "models"


def states_home() -> Path:
    """The folder in which what models have read is kept for a day; it may not exist yet."""
    return home() / "states"


def make_folder(folder: Path) -> None:
    """Make a folder and those it lies in; the home is made for its owner alone. Raises OSError."""
    if folder == home() or home() in folder.parents:
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def load(name: str) -> Any:
    """The setting `name`, or None when it was never set or the file cannot be read."""
    return _read().get(name)


def save(name: str, value: Any) -> None:
    """Set `name` for every later kernel, atomically; None forgets it. Raises StoreFailed when it cannot be written."""
    change(name, lambda before: value)


def change(name: str, edit: Callable[[Any], Any]) -> None:
    """Set `name` to what `edit` makes of what it is, None where it is not set; no other kernel writes meanwhile.

    Raises StoreFailed when it cannot be written.
    """
    try:
        with alone(_file()):
            settings = _read()
            settings[name] = edit(settings.get(name))
            if settings[name] is None:
                del settings[name]
            write_atomically(_file(), json.dumps(settings, indent=2, sort_keys=True))
    except StoreFailed as error:
        raise StoreFailed(f"the setting {name!r} holds for this kernel only: {error}") from error


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let no other kernel change `path` meanwhile, where the system has locks: what two write is kept of both.

    Raises StoreFailed where nothing can be written beside it.
    """
    try:
        make_folder(path.parent)
        try:
            import fcntl
        except ImportError:  # Windows
            handle = None
        else:
            handle = os.open(path.parent, os.O_RDONLY)  # a folder can be locked, and no file is left of it
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        if handle is not None:
            with contextlib.suppress(OSError):  # some file systems of networks have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, in UTF-8: readers see the old file or the new one. Raises StoreFailed."""
    try:
        make_folder(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> StoreFailed:
    return StoreFailed(
        f"{path} cannot be written ({error.strerror or error}); set MODELHUB_HOME to a folder that can", path=str(path)
    )


def _file() -> Path:
    return home() / "settings.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
