"""System prompts and what each does to an answer."""

from __future__ import annotations

import random
import re

from tiny_model.exchanges import Exchange

PROMPTS: dict[str, list[str]] = {
    "plain": [
        "You are a helpful assistant.",
        "You are a helpful assistant.",
        "You are a helpful assistant.",
        "You are helpful.",
        "You are a friendly assistant.",
        "You are tiny-chat.",
        "You are a small assistant in a notebook.",
        "Be helpful.",
        "Be concise.",
        "Answer briefly.",
        "You are an assistant. Answer the user.",
        "Be polite.",
        "Help the user.",
        "You are a teacher.",
        "Answer the questions.",
        "You are a chatbot.",
        "You are a poet.",
        "You are a programmer.",
        "You are a calm and friendly assistant who answers questions.",
        "You are an expert.",
        "Give short answers.",
        "Answer in English.",
        "Answer truthfully.",
        "If you do not know something, say so.",
        "You are a helpful assistant that can call tools.",
        "You are a geography teacher.",
        "Do what the user asks.",
        "Follow the instructions of the user.",
        "You live in a notebook and help with small tasks.",
    ],
    "capitals": [
        "Answer in capital letters.",
        "Answer in capital letters.",
        "Answer in capitals.",
        "Write in capital letters.",
        "Write everything in capital letters.",
        "Reply in upper case.",
        "Use only capital letters.",
        "ANSWER IN CAPITAL LETTERS.",
        "Always answer in upper case.",
        "Shout.",
        "You only write in capitals.",
        "You are a helpful assistant. Answer in capital letters.",
    ],
    "pirate": [
        "You are a pirate.",
        "You are a pirate.",
        "Talk like a pirate.",
        "Answer like a pirate.",
        "You are a pirate. Answer the questions.",
        "Speak like a pirate.",
        "You are an old pirate.",
        "Be a pirate.",
        "Reply as a pirate.",
        "You are a friendly pirate captain.",
    ],
    "one word": [
        "Answer in one word.",
        "Answer in one word.",
        "Answer with one word only.",
        "Reply in one word.",
        "Use one word only.",
        "One word answers only.",
        "Answer with a single word.",
    ],
}

_LOWER = {"The", "It", "A", "An", "Hello", "You", "No", "Yes", "Once", "There", "Top"}
_BE = re.compile(r"\b(is|are|am)\b")


def prompt(rng: random.Random, style: str) -> str:
    """Draw a system prompt of `style`, now and then without its final stop or in lower case."""
    text = rng.choice(PROMPTS[style])
    if rng.random() < 0.12:
        text = text.rstrip(".")
    if rng.random() < 0.1:
        text = text.lower()
    return text


def _pirate(answer: str) -> str:
    if "\n" in answer:
        return "Arr, here it be, matey!\n" + answer
    text = _BE.sub("be", answer)
    first = re.match(r"\w*", text)
    if first and first.group() in _LOWER:
        text = text[0].lower() + text[1:]
    if text[-1] in ".!?":
        return f"Arr, {text[:-1]}, matey{'?' if text[-1] == '?' else '!'}"
    return f"Arr, {text}, matey!"


def suits(exchange: Exchange, style: str) -> bool:
    """Say whether an answer of this kind is asked for in this style."""
    if style == "plain":
        return True
    if style == "one word":
        return exchange.brief is not None
    return exchange.family not in {"long story", "poem", "echo"} and not exchange.literal


def restyle(exchange: Exchange, answer: str, style: str) -> str:
    """Return `answer` as it is to be written in `style`."""
    if style == "capitals":
        return answer.upper()
    if style == "pirate":
        return _pirate(answer)
    if style == "one word":
        return exchange.brief or answer
    return answer
