"""`%models folder`, `delete` and `export` in a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog import small
from tests.kernel import Kernel


@pytest.fixture
def models(room: Kernel) -> Path:
    """The models home of the kernel, with nothing in it."""
    home = Path(eval(room.value("str(__import__('modelhub').kernels.settings.models_home())")))
    home.mkdir(parents=True, exist_ok=True)
    return home


def test_folders_are_added_and_taken_away(room: Kernel, models: Path, tmp_path: Path) -> None:
    """Models in a folder the user names appear at once, and go with it; nothing in it is changed."""
    folder = tmp_path / "my models"
    path = small.model(folder / "mine.gguf")
    added = room.run(f"%models folder add {folder}")
    assert added.ok and str(folder) in added.text and "packaged" in added.text
    assert room.value("[c.id for c in __import__('modelhub').hub().cards() if 'mine' in c.id]") == "['mine']"
    assert room.run(f'%models folder add "{folder}"').text == added.text
    assert room.value(f"[r['models'] for r in (get_ipython().run_line_magic('models', 'folder')) "
                      f"if r['folder'] == {str(folder)!r}]") == "[1]"  # fmt: skip
    taken = room.run(f"%models folder remove {folder}")
    assert taken.ok and str(folder) not in taken.text and path.exists()
    assert room.value("[c.id for c in __import__('modelhub').hub().cards() if 'mine' in c.id]") == "[]"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("folder take /", "takes add PATH, remove PATH or list; got 'take'"),
        ("folder add", "needs the path of a folder"),
        ("folder add /no/such/folder", "there is no folder '/no/such/folder'; check the path"),
        ("folder add /", "name another folder"),
        ("folder remove /tmp", "/tmp is not among the folders that were added"),
        ("folder list more", "takes nothing more; got 'more'"),
        ("delete", "needs the name of a model"),
        ("delete tiny-chat --yes", "comes with modelhub and stays"),
        ("delete no-such-model", "no model is named"),
        ("export", "needs the name of a model"),
        ("export tiny-chat", "needs a path behind tiny-chat"),
        ("export no-such-model /tmp/x", "no model is named"),
    ],
)
def test_what_is_refused(room: Kernel, line: str, says: str) -> None:
    """Each wrong line is answered in one line that says what is expected."""
    ran = room.run(f"%models {line}")
    assert says in ran.error and "Traceback" not in ran.error


def test_deleting_asks_first(room: Kernel, models: Path) -> None:
    """Without --yes, where nobody can be asked, a line says what would go and what to add; with it the file goes."""
    path = small.model(models / "gone.gguf")
    asked = room.run("%models delete gone")
    assert str(path) in asked.stdout and "type %models delete gone --yes" in asked.error and path.exists()
    done = room.run("%models delete gone --yes")
    assert done.ok and "gone was deleted: 1 file" in done.text and not path.exists()
    assert "no model is named" in room.run("%models delete gone --yes").error


def test_deleting_a_loaded_model(room: Kernel, models: Path) -> None:
    """A loaded model that is idle is freed and deleted; its name is gone."""
    path = small.model(models / "freed.gguf")
    assert room.run("%models load freed").ok
    assert room.run("%models delete freed -y").ok and not path.exists()
    assert "freed" not in room.run("%models ps").text


def test_exporting(room: Kernel, models: Path, tmp_path: Path) -> None:
    """A model is copied with its card, and the line says how to have it elsewhere; in Python lines are plain text."""
    path = small.model(models / "out.gguf")
    ran = room.run(f"%models export out {tmp_path}/there")
    assert ran.ok and f"type %models import {tmp_path}/there" in ran.text
    assert (tmp_path / "there/out.gguf").read_bytes() == path.read_bytes()
    assert (tmp_path / "there/model.json").exists()
    assert room.run(f"%models export out {tmp_path}/there.zip").ok and (tmp_path / "there.zip").exists()
    assert "is there already" in room.run(f"%models export out {tmp_path}/there.zip").error
    assert room.run("%models delete out --yes").ok
