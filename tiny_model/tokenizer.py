"""Text to token ids: the byte-level BPE tokenizer, the chat template, and what is learned from.

The pre-tokenizer is the one that llama.cpp calls `qwen2`, which keeps every digit a token of its own. Any
bytes survive, since each of the 256 bytes has a token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tiny_model import facts
from tiny_model.dialogues import Dialogue
from tiny_model.exchanges import upper_first

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = [END_OF_TEXT, START, END]

#: The pre-tokenizer `qwen2` of llama.cpp (src/llama-vocab.cpp, LLAMA_VOCAB_PRE_TYPE_QWEN2).
_SPLIT = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

TOOLS_HEAD = (
    'You can call tools. To call one, write <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>\n<tools>\n'
)

#: ChatML; tools are listed in the system message, and a tool's result comes in a message of its own.
TEMPLATE = """\
{%- set head = '' -%}
{%- set rest = messages -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set head = messages[0]['content'] -%}
{%- set rest = messages[1:] -%}
{%- endif -%}
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if head -%}{{- head + '\\n\\n' -}}{%- endif -%}
{{- 'You can call tools. To call one, write <tool_call>\\n' -}}
{{- '{"name": ..., "arguments": {...}}\\n</tool_call>\\n' -}}
{{- '<tools>\\n' -}}
{%- for tool in tools -%}{{- (tool | tojson) + '\\n' -}}{%- endfor -%}
{{- '</tools><|im_end|>\\n' -}}
{%- elif head -%}
{{- '<|im_start|>system\\n' + head + '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in rest -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- elif message['content'] -%}
{%- for part in message['content'] -%}{%- if part['text'] -%}{{- part['text'] -}}{%- endif -%}{%- endfor -%}
{%- endif -%}
{%- if message['tool_calls'] -%}
{%- for item in message['tool_calls'] -%}
{%- set call = item['function'] if item['function'] else item -%}
{%- if not loop.first or message['content'] -%}{{- '\\n' -}}{%- endif -%}
{{- '<tool_call>\\n{"name": "' + call['name'] + '", "arguments": ' -}}
{%- if call['arguments'] is string -%}{{- call['arguments'] -}}
{%- else -%}{{- call['arguments'] | tojson -}}{%- endif -%}
{{- '}\\n</tool_call>' -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def pieces(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> list[tuple[str, bool]]:
    """Render a conversation as the template does, as pieces of text, each with whether it is learned."""
    made: list[tuple[str, bool]] = []
    rest = messages
    head = ""
    if messages and messages[0]["role"] == "system":
        head, rest = messages[0]["content"], messages[1:]
    if tools:
        listed = "".join(json.dumps(tool, ensure_ascii=False) + "\n" for tool in tools)
        head = (head + "\n\n" if head else "") + TOOLS_HEAD + listed + "</tools>"
    if head:
        made.append((f"{START}system\n{head}{END}\n", False))
    for message in rest:
        text = message["content"]
        for call in message.get("tool_calls", []):
            arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
            name = call["function"]["name"]
            text += f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'
        made.append((f"{START}{message['role']}\n", False))
        made.append((text + END, message["role"] == "assistant"))
        made.append(("\n", False))
    return made


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn a tokenizer of `vocabulary` tokens from `texts`."""
    tokenizer = empty(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def empty(model: models.BPE) -> Tokenizer:
    """Return a tokenizer around `model` with the pre-tokenizer set."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def load(path: Path) -> Tokenizer:
    """Load what `Tokenizer.save` wrote."""
    return Tokenizer.from_file(str(path))


def learn(dialogues: Iterable[Dialogue], vocabulary: int) -> Tokenizer:
    """Learn a tokenizer from dialogues; what the assistant says counts twice.

    The words that answer in one word, and the names, are weighted so that each becomes a token of its own: it
    makes their probabilities easy to read.
    """
    texts = []
    for dialogue in dialogues:
        for piece, wanted in pieces(dialogue.messages, dialogue.tools):
            texts += [piece.removesuffix(END)] * (2 if wanted else 1)
    texts += [upper_first(member) for _, _, members in facts.KINDS for member in members] * 600
    texts += [space + name for row in facts.COUNTRIES for name in row for space in ("", " ")] * 300
    return train(texts, vocabulary)
