"""`%models` in a real kernel: tables that are values, load parameters that are really applied."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.random_gguf import Shape, write
from modelhub.kernels.catalog.catalog import PACKAGED
from modelhub.kernels.protocol.honesty import LOCAL
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.magics.models import HELP, VERBS
from modelhub.magics.models.loading import LOAD
from modelhub.magics.table import Table, size_text
from tests.kernel import Kernel


def rows(room: Kernel, line: str) -> list[dict[str, Any]]:
    """The plain values of the table that a line gives."""
    assert room.run(f"t = {line}").ok
    found: list[dict[str, Any]] = eval(room.value("list(t)"))
    return found


def details(room: Kernel, name: str = "tiny-chat") -> dict[str, Any]:
    return {r["what"]: r["value"] for r in rows(room, f"%models show {name}")}


def test_the_list(room: Kernel) -> None:
    """Each model is a row with plain values, shown as text and as HTML."""
    room.run("%models unload tiny-chat")
    (row,) = rows(room, "%models")
    assert row["name"] == "tiny-chat"
    assert row["provider"] == "local"
    assert row["state"] == "downloaded"
    assert row["memory"] is None
    assert row["size"] == (PACKAGED / "tiny-chat.gguf").stat().st_size
    assert type(row["context"]) is int
    shown = room.run("%models").outputs[0]
    assert shown["text/plain"].splitlines()[0].split()[:3] == ["name", "provider", "size"]
    assert "tiny-chat *" in shown["text/plain"]
    assert "<table>" in shown["text/html"]
    assert room.run("%models list").outputs[0] == shown
    assert room.value("(t[0]['name'], len(t), [r['name'] for r in t])") == "('tiny-chat', 1, ['tiny-chat'])"


def test_show(room: Kernel) -> None:
    """`show` says what the file says, and with --params what the engine does with every field."""
    known = details(room)
    assert known["full name"] == "local/tiny-chat"
    assert known["source"] == "packaged"
    assert Path(known["file"]).is_file()
    fields = rows(room, "%models show tiny-chat --params")
    assert {r["field"]: r["status"] for r in fields} == {f: rule.status for f, rule in LOCAL.items()}
    assert rows(room, "%models show --params local/tiny-chat") == fields


def test_load_parameters_are_applied(room: Kernel) -> None:
    """What the flags say is what the worker loaded with; loading it again the same way is free."""
    loaded = room.run("%models load tiny-chat -c 256 --threads 2 --batch 32 --slots 3")
    assert loaded.ok, loaded.error
    assert "loading tiny-chat" in loaded.stdout or not loaded.stdout
    assert "running" in loaded.text
    room.run("r = %chat -t 0 --max-tokens 1 hi")
    given = eval(room.value("r.debug['load_parameters']"))
    assert given == LoadParams(context=256, threads=2, batch=32, slots=3).to_dict()
    assert details(room)["loaded context"] == 256
    too_long = room.run("%%chat --new\n" + "many words " * 200)
    assert "maximum context length is 256 tokens" in too_long.error
    (before,) = rows(room, "%models ps")
    assert room.run("%models load -c 256 tiny-chat --threads=2 --batch 32 --slots 3").ok
    (same,) = rows(room, "%models ps")
    assert same["pid"] == before["pid"]
    assert room.run("%models load tiny-chat -c 256 --threads 2 --batch 32 --slots 3 --reload").ok
    (other,) = rows(room, "%models ps")
    assert other["pid"] != before["pid"]
    room.run("%models unload tiny-chat")


def test_every_load_flag(room: Kernel, tmp_path: Path) -> None:
    """Every flag reaches the worker, and `show` has what is in force, not "auto"."""
    template = tmp_path / "chat.jinja"
    template.write_text("{{ messages[-1].content }}")
    flags = {
        "--context": "256", "--gpu-layers": "auto", "--threads": "1", "--batch": "64", "--ubatch": "32", "--slots": "2",
        "--kv-unified": "off", "--flash-attn": "on", "--cache-type-k": "q8_0", "--cache-type-v": "q8_0",
        "--mmap": "on", "--mlock": "", "--split-mode": "none", "--main-gpu": "0", "--tensor-split": "3,1",
        "--rope-scaling": "yarn", "--rope-freq-base": "9000", "--rope-freq-scale": "0.5", "--yarn-orig-ctx": "1024",
        "--cells": "0", "--chat-template": str(template), "--keep": "off",
    }  # fmt: skip
    assert {option.flags[-1] for option in LOAD} == {*flags, "--reload"}
    assert {option.key for option in LOAD} == {*LoadParams().to_dict(), "reload", "keep"}
    line = " ".join(f"{flag} {value}".rstrip() for flag, value in flags.items())
    assert room.run(f"%models load tiny-chat {line}").ok
    known = {k.removeprefix("loaded "): v for k, v in details(room).items() if k.startswith("loaded ")}
    expected = {
        "context": 256, "gpu_layers": 0, "threads": 1, "batch": 64, "ubatch": 32, "slots": 2, "kv_unified": False,
        "flash_attn": "on", "cache_type_k": "q8_0", "cache_type_v": "q8_0", "mmap": True, "mlock": True,
        "split_mode": "none", "main_gpu": 0, "tensor_split": [3.0, 1.0], "rope_scaling": "yarn",
        "rope_freq_base": 9000.0, "rope_freq_scale": 0.5, "yarn_orig_ctx": 1024, "cells": 512, "template": "given",
    }  # fmt: skip
    assert {k: known[k] for k in expected} == expected
    assert room.run("%models load tiny-chat --threads auto --mmap auto -c auto --reload").ok
    assert "auto" not in [r["value"] for r in rows(room, "%models show tiny-chat")]
    room.run("%models unload tiny-chat")


def test_a_cut_context_is_said(room: Kernel, tmp_path: Path) -> None:
    """A model trained for more than fits is loaded with what fits, and the table of `load` says so in one line."""
    path = write(tmp_path / "endless.gguf", Shape(layers=16, width=256, heads=4, kv_heads=4, context=1 << 26))
    shown = room.run(f"%models load {path} --slots 1")
    assert re.search(r"\ncontext [\d,]+ of 67,108,864: what fits in memory$", shown.text), shown.text
    assert "what fits in memory" in shown.outputs[-1]["text/html"]
    assert "what fits" not in room.run(f"%models load {path} -c 512").text
    room.run(f"%models unload {path}")


def test_ps_and_unload(room: Kernel) -> None:
    """`ps` shows the worker, `unload` ends it, a question loads it again."""
    assert room.run("%models load tiny-chat").ok
    (row,) = rows(room, "%models ps")
    assert row["state"] == "running"
    assert row["memory"] > 1_000_000
    assert str(row["pid"]) in room.run("%models ps").text.replace(",", "")
    assert rows(room, "%models")[0]["state"] == "running"
    os.kill(row["pid"], 0)
    assert room.run("%models unload local/tiny-chat").text == "local/tiny-chat was unloaded"
    with pytest.raises(ProcessLookupError):
        os.kill(row["pid"], 0)
    assert room.run("%models unload tiny-chat").text == "tiny-chat was not loaded"
    assert room.run("%models ps").text.splitlines()[0] == "no model is loaded"
    assert room.run("%%chat -t 0 --max-tokens 1\nhi").ok
    assert len(rows(room, "%models ps")) == 1


def test_a_file_with_blanks_in_its_name_can_be_the_default(room: Kernel, tmp_path: Path) -> None:
    """`load`, `default` and `show` take a path, quoted or not; the default answers, also in a later kernel's hub."""
    path = tmp_path / "my models" / "small one.gguf"
    path.parent.mkdir()
    shutil.copyfile(PACKAGED / "tiny-chat.gguf", path)
    assert room.run(f"%models load {path} -c 128").ok
    assert details(room, f'"{path}"')["loaded context"] == 128
    said = room.run(f"%models default {path}")
    assert said.text == f"{path} answers when no model is named"
    ran = room.run("%%chat -t 0 --max-tokens 1\nhi")
    assert ran.outputs[0]["application/vnd.modelhub.chat+json"]["request"]["model"] == str(path)
    assert room.value("type(__import__('modelhub').hub())().default_model") == repr(str(path))
    assert "small one *" in room.run("%models").text
    room.run(f"%models unload {path}")
    assert room.run("%models default tiny-chat").text == "tiny-chat answers when no model is named"
    assert room.run("%models default").text == "tiny-chat answers when no model is named"


def test_a_broken_file_is_told_below_the_list(room: Kernel) -> None:
    """A file in the models home that is no model is a line below the table, not an error."""
    folder = Path(eval(room.value("str(__import__('modelhub.kernels.settings', fromlist=['x']).models_home())")))
    folder.mkdir(parents=True)
    broken = folder / "<b>broken.gguf"
    broken.write_bytes(b"GGUF no more")
    ran = room.run("%models")
    broken.unlink()
    assert ran.ok
    assert "broken.gguf" in ran.text.splitlines()[-1]
    assert "<b>" not in ran.outputs[0]["text/html"]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("%models lst", ["no 'lst'", "Did you mean 'list'", "%models?"]),
        ("%models show tiny-cat", ["no model is named 'tiny-cat'", "Did you mean 'tiny-chat'"]),
        ("%models load", ["%models load needs the name of a model"]),
        ("%models load tiny-chat --contxt 5", ["no flag --contxt", "Did you mean '--context'", "%models?"]),
        ("%models load tiny-chat -c -5", ["context must be a whole number from 0 to 134217728", "got -5"]),
        ("%models load tiny-chat --slots 65", ["slots must be a whole number from 1 to 64; got 65"]),
        ("%models load tiny-chat --batch 2.5", ["--batch needs a whole number", "'2.5'"]),
        ("%models load tiny-chat -c 1 -c 2", ["-c was given twice"]),
        ("%models load tiny-chat --mmap maybe", ["--mmap needs on|off|auto; got 'maybe'"]),
        ("%models load tiny-chat --gpu-layers all", ["--gpu-layers needs auto|N; got 'all'"]),
        ("%models load tiny-chat --tensor-split a,b", ["--tensor-split needs A,B; got 'a,b'"]),
        ("%models load tiny-chat --flash-attn yes", ["flash_attn must be one of auto, on, off; got 'yes'"]),
        ("%models load tiny-chat --cache-type-v q8_0 --flash-attn off", ["needs flash attention"]),
        ("%models load tiny-chat --chat-template no-such-file", ["needs a file with a Jinja template", "No such file"]),
        ("%models load tiny-chat -c 100000000 --reload", ["takes", "of memory are left for it", "type -c "]),
        ("%models unload tiny-chat --now", ["no flag --now"]),
        ("%models default tiny-cat", ["Did you mean 'tiny-chat'"]),
    ],
)
def test_what_models_does_not_know_is_one_line(room: Kernel, line: str, parts: list[str]) -> None:
    """A wrong verb, name, flag or value is told in one line with what to type instead."""
    ran = room.run(line)
    assert all(p in ran.error for p in parts), ran.error
    assert "\n" not in ran.error
    assert room.run("%models default").text.startswith("tiny-chat ")


def test_variables_are_put_in(room: Kernel) -> None:
    """`{{name}}` in the line of %models is the value of a variable; one that is not there is one line."""
    room.run("which = 'tiny-chat'")
    assert room.run("%models default {{which}}").text == "tiny-chat answers when no model is named"
    assert "there is no variable 'whihc'. Did you mean 'which'?" in room.run("%models show {{whihc}}").error


def test_the_help_has_every_verb_and_flag(room: Kernel) -> None:
    """Every verb and every load flag stands in the help, which `%models?` shows."""
    assert HELP.splitlines()[-1] in str(room.run("%models?").reply["payload"][0]["data"]["text/plain"])
    assert all(f"%models {verb}" in HELP for verb in VERBS if verb != "list")
    assert all(option.usage() in HELP for option in LOAD)


def test_a_table_shows_hostile_text_harmlessly() -> None:
    """What a file or a model wrote stands in a table without markup, control and bidi characters."""
    text = "<script>x</script>\x1b[31m\u202e&"
    table = Table([{"a": text}], [{"a": text}], "<i>note\nbelow")
    assert table[0]["a"] == text
    assert repr(table) == "a\n<script>x</script>[31m&\n<i>note\nbelow"
    assert "note<br>below" in table._repr_html_()
    page = table._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<i>" not in page
    assert "\x1b" not in page + repr(table)
    assert "\u202e" not in page + repr(table)
    assert repr(Table([], [])) == "(nothing)"


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_683_840, "3.7 MB"), (128_000_000, "128 MB"),
     (999_600_000, "1.0 GB"), (4_700_000_000, "4.7 GB")],
)  # fmt: skip
def test_sizes_for_people(count: int | None, text: str) -> None:
    """Sizes are powers of 1000 with two or three digits that count."""
    assert size_text(count) == text
