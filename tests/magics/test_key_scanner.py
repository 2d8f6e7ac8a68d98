"""A cell with a key in it is answered with one line, which does not repeat it; other cells are let alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from modelhub.kernels.redaction import BEGINNINGS
from modelhub.magics.key_scanner import HINTS, warning
from tests.kernel import Kernel

HEX = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
MIXED = "hT3vB8nM1cX6zL9kJ4gF7dS2aP5qW0eR"

WITH_KEYS = [
    (f'openai.api_key = "sk-proj-{MIXED}"', "openai"),
    ("%env OPENAI_API_KEY=hunter22x", "openai"),
    (f"%set_env ANTHROPIC_API_KEY sk-ant-api03-{MIXED}", "anthropic"),
    (f'import os\nos.environ["MISTRAL_API_KEY"] = "{HEX}"', "mistral"),
    (f"os.environ.setdefault('CO_API_KEY', '{MIXED}')", "cohere"),
    (f"!export GROQ_API_KEY=gsk_{MIXED}{MIXED}", "groq"),
    ('token = "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"', "hf"),
    ('k = "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"', "gemini"),
    (f'k = "xai-{MIXED}{MIXED}"', "xai"),
    (f'k = "nvapi-{MIXED}{MIXED}"', "nvidia"),
    (f'k = "pplx-{HEX}{HEX}"', "perplexity"),
    (f'client = OpenAI(api_key="{HEX}")', "PROVIDER"),
    (f'hub.providers.keys.set("mistral", "{HEX}")', "PROVIDER"),
    (f"%%chat\nmy key is sk-or-v1-{HEX}{HEX}", "openrouter"),
    (f'TOGETHER_API_KEY = "{HEX}"', "together"),
    (f'call(headers={{"Authorization": "Bearer sk-{MIXED}"}})', "openai"),
    (f'config = {{"api_key": "{MIXED}"}}', "PROVIDER"),
]

WITHOUT_KEYS = [
    "%env OPENAI_API_KEY=sk-...", "%env OPENAI_API_KEY", "%env OPENAI_API_KEY=$KEY",
    "%env TOKENIZERS_PARALLELISM=false",
    'os.environ["OPENAI_API_KEY"] = getpass()', 'os.environ["OPENAI_API_KEY"] = "your-api-key-here"',
    'OPENAI_API_KEY = "sk-<paste here your key>"', 'x = "sk-xxxxxxxxxxxxxxxxxxxxxxxx"', 'api_key="not-needed"',
    'api_key="lm-studio"', 'api_key="EMPTY"', "!pip install scikit-learn sk-learn-contrib-2024-beta",
    'hf_hub_download("TheBloke/Llama-2-7B-GGUF", filename="llama-2-7b.Q4_K_M.gguf")', f'sha = "{HEX}"',
    "MAX_TOKEN = 100",
    "hf_transformers_pipeline_builder_long_name", f"task-{HEX} disk-{HEX}", "%models keys set openai",
    '"gpt-4o-mini-2024-07-18 claude-3-5-sonnet-20241022 meta-llama/Llama-3.3-70B-Instruct sk-..."',
    'os.environ["OPENAI_API_KEY"] = os.getenv("MY_KEY")', "accounts/fireworks/models/fw_llama_v3p1_405b_instruct_turbo",
    f"%models keys set openai sk-proj-{MIXED}",  # which says more itself
    "%env OPENAI_API_KEY=$MY_OPENAI_KEY", "%env OPENAI_API_KEY=your-api-key-here", f'k = "sk-{"0" * 32}"',
    'k = "sk-your-own-key-1234567890abc"',
    'PATH_TOKEN = "tokens/my_file_of_today.json"', "", "%%chat\nWhat is the capital of France?",
]  # fmt: skip


@pytest.mark.parametrize(("cell", "provider"), WITH_KEYS)
def test_a_key_is_seen(cell: str, provider: str) -> None:
    """Keys of each shape, and what is assigned to a variable for keys, give the one line that says what to type."""
    said = warning(cell)
    assert f"%models keys set {provider}," in said and "\n" not in said
    assert "hunter22x" not in said and HEX not in said and MIXED not in said and "sk-" not in said


@pytest.mark.parametrize("cell", WITHOUT_KEYS)
def test_other_cells_are_let_alone(cell: str) -> None:
    """Placeholders, hashes, names of models and packages, and variables that are read are no keys."""
    assert warning(cell) == ""


def test_no_beginning_is_missed() -> None:
    """What is known of the shapes of keys is what the scanner looks for first."""
    assert all(any(hint in beginning for hint in HINTS) for beginning in BEGINNINGS)


def test_images_are_no_keys() -> None:
    """Long base64, in which any letters follow one another, gives no line."""
    import base64
    import random

    data = base64.b64encode(random.Random(5).randbytes(300_000)).decode()
    planted = data[:1000] + "AIza" + data[1000:] + data.replace("A", "AIza", 50)
    assert warning(f'image = "data:image/png;base64,{planted}"') == ""


def test_it_brings_nothing_along() -> None:
    """To look at a cell without a hint imports neither patterns nor pydantic nor keyring."""
    code = (
        "import sys; from modelhub.magics.key_scanner import warning; warning('x = 1\\n' * 100);"
        "print(*[m for m in ('modelhub.kernels.redaction', 'pydantic', 'keyring', 'httpx') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == ""


def said(kernel: Kernel, cell: str) -> list[str]:
    ran = kernel.run(cell)
    return [
        line for line in "".join(m["content"]["text"] for m in ran.of("stream")).splitlines() if "modelhub:" in line
    ]


def test_in_a_kernel(room: Kernel) -> None:
    """Each run of a cell with a key is answered once, however deep it lies; a key of the user's is known by value."""
    cell = f'a = "sk-proj-{MIXED}"\nb = "sk-proj-{MIXED[::-1]}"'
    for _ in range(2):
        assert len(said(room, cell)) == 1
    assert len(said(room, "%%capture\n" + cell)) == 1
    assert len(said(room, f"get_ipython().run_cell('a = \"sk-proj-{MIXED}\"')")) == 1
    assert said(room, "a = 1") == []
    assert said(room, 'word = "".join(["correct", "horse", "battery", "staple"])') == []
    assert said(room, 'import modelhub; modelhub.hub().providers.keys.set("ollama", word, session=True)') == []
    assert len(said(room, 'x = "correcthorsebatterystaple"')) == 1
    assert room.run("%unload_ext modelhub").ok and said(room, cell) == []
    assert room.run("%load_ext modelhub").ok
