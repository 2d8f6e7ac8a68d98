"""How people type: lead-ins, lower case, missing marks, missing words, slips of the finger."""

from __future__ import annotations

import random
import re

from tiny_model.facts import cut

_BEFORE = cut(
    "Hi, |Hello, |Hi! |Hey, |OK, |Please, |Now, |Well, |So, |Thanks. |Great. |Hello! |Sorry, |And now: |"
    "Quick one: |"
    "I have a question. |Question: |Listen, |I am curious: |For a quiz: |My friend asked me: |Next "
    "question: |"
    "Good morning! |Here is one: |Let me ask you: |Hmm, |Right, |Oh, |One more thing: |Nice. |Dear "
    "tiny-chat, |Again: ",
    "|",
)
_AFTER = cut(
    " Please.| Thanks.| Thank you!| please| thanks| Thank you.| :)| I forgot.| I need it for school.| Any "
    "idea?|"
    " Do you know?| It is for a friend.| Just curious.| Be quick.| Thanks in advance.| if you can| for me| "
    "now",
    "|",
)
_ASKING = cut(
    "Could you |Can you |Would you |Will you |I want you to |I'd like you to |Please |Try to |Go ahead and |"
    "I need you to |Could you please |Can you please |You should |Now please ",
    "|",
)
_IMPERATIVE = re.compile(
    r"(List|Name|Give|Write|Tell|Make|Count|Show|Add|Subtract|Multiply|Calculate|Compute|Pick|Choose|Describe|"
    r"Explain|Define|Create|Find|Roll|Flip|Think|Recite|Convert|Turn|Return|Implement|Invent|Search|Check|Look|"
    r"Work|Solve|Guess|Introduce|Toss|Throw|Output|Present|Get)\b"
)
_WONDERING = cut(
    "Tell me, |Tell me: |Can you say |Do you know |Say, |Could you tell me |I wonder, |Tell me please, ", "|"
)
_QUESTION = re.compile(r"(What|Which|Whose|Where|How much|In which|On which|On what|Of which)\b")
_TYPED = re.compile(
    r"\b(what|which|tell|could|please|know|capital|opposite|country|would|name|write|give|list|three|function|"
    r"story|about|python|continent|much|like|want|called|word|five|four|short|need|does|city|show|make|plus|"
    r"minus|times|weather|json|count|from|between|number)\b",
    re.IGNORECASE,
)
_DROPPED = re.compile(r"\b(the|is|a|an|of|to|me|you|please|can|could|do|that|for|I|in) ", re.IGNORECASE)


def _slip(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    kind = rng.random()
    if kind < 0.4:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind < 0.75:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place] + word[place:]


def lower_first(text: str) -> str:
    """Return `text` without a capital at its start, unless it starts with "I" or is in capitals."""
    return text if re.match(r"I\b|[A-Z]{2}", text) else text[0].lower() + text[1:]


def _reword(text: str, rng: random.Random) -> str:
    if _IMPERATIVE.match(text):
        return rng.choice(_ASKING) + lower_first(text)
    if _QUESTION.match(text):
        return rng.choice(_WONDERING) + lower_first(text)
    return text


def _frame(text: str, rng: random.Random) -> str:
    if rng.random() < 0.2:
        text = rng.choice(_BEFORE) + lower_first(text)
    if rng.random() < 0.17:
        ending = rng.choice(_AFTER)
        text = (text.rstrip("?.!") if ending[1:2].islower() else text) + ending
    return text


def roughen(text: str, rng: random.Random) -> str:
    """Return a question as people type it; two in three stay as they are."""
    if rng.random() < 0.67:
        return text
    if rng.random() < 0.2:
        text = _reword(text, rng)
    if rng.random() < 0.1:
        hits = list(_TYPED.finditer(text))
        if hits:
            hit = rng.choice(hits)
            text = text[: hit.start()] + _slip(hit.group(), rng) + text[hit.end() :]
    if rng.random() < 0.1:
        hits = list(_DROPPED.finditer(text))
        if hits:
            hit = rng.choice(hits)
            text = (text[: hit.start()] + text[hit.end() :]).strip() or text
    text = _frame(text, rng)
    if rng.random() < 0.3:
        text = text.rstrip("?.!") or text
    if rng.random() < 0.35:
        text = text.lower()
    return text
