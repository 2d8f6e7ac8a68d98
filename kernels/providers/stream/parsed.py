"""JSON as servers write it."""

from __future__ import annotations

import json

parsed = json.JSONDecoder(strict=False).decode
"""The value of a JSON text. Raises ValueError, and RecursionError for a text of nothing but brackets.

Beside what JSON allows, raw control characters in strings are text, NaN and the infinities are numbers, and of a name
that comes twice in an object the last one counts: each of these is met.
"""
