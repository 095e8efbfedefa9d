"""The forms in which a secret shows up in text: as it is, base64, URL-quoted, JSON-escaped, hexadecimal."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 4
"""Characters. Masking anything shorter would tear holes into every line of a log."""


def encodings(secret: str) -> frozenset[bytes]:
    """Return every form of ``secret`` to look for, its lines included when it has several.

    Raises:
        UnicodeEncodeError: if it holds half a character (a lone surrogate).
    """
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    forms.update(_escaped(secret))
    for alignment in range(3):
        forms.update(_base64(raw, alignment))
    for line in secret.splitlines():
        # A key of many lines is printed line by line, perhaps indented or with other line ends.
        forms.update({line.strip().encode(), *(part for part in _escaped(line.strip()))})
    return frozenset(form for form in forms if len(form) >= SHORTEST_SECRET)


def _escaped(text: str) -> set[bytes]:
    forms = {
        text,
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }
    return {form.encode() for form in forms}


def _base64(raw: bytes, alignment: int) -> set[bytes]:
    """Return the characters that ``raw`` certainly makes when ``alignment`` bytes of something else stand before it.

    The first characters mix with what comes before, the last one with what comes after; when nothing comes after, the
    last one is the secret's too, so both lengths are looked for.
    """
    first = (0, 2, 3)[alignment]
    bits = 8 * (alignment + len(raw))
    text = b64encode(bytes(alignment) + raw).rstrip(b"=")
    standard = {text[first : bits // 6], text[first:]}
    return standard | {form.translate(_URL_SAFE) for form in standard}


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
