"""The forms in which a secret shows up in text: as it is, base64, URL-quoted, JSON-escaped, hexadecimal."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from itertools import product
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 4
"""Characters. Masking anything shorter would tear holes into every line of a log."""

_WRAPPED_AT = (64, 76)
"""Where programs break base64 into lines: PEM, MIME and ``base64`` of the GNU core utilities."""
_SHORTEST_REST = 8
"""Characters of a last line worth looking for: a shorter one would be found in ordinary words."""


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
    forms.update(_wrapped(raw))
    for line in secret.splitlines():
        # A key of many lines is printed line by line, perhaps indented or with other line ends.
        forms.update({line.strip().encode(), *(part for part in _escaped(line.strip()))})
    return frozenset(form for form in forms if len(form) >= SHORTEST_SECRET)


def _escaped(text: str) -> set[bytes]:
    return {form.encode() for form in {text, *_url_quoted(text), *_json_escaped(text)}}


def _url_quoted(text: str) -> set[str]:
    """Return what the usual quotings make of ``text``; they differ in what they leave as it is."""
    upper = {
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        quote(text, safe="!'()*"),  # encodeURIComponent
        quote(text, safe="!'()*;,/?:@&=+$#"),  # encodeURI
        quote_plus(text, safe="*"),  # forms of browsers; Java quotes the ~, too
        quote_plus(text, safe="*").replace("~", "%7E"),
    }
    return upper | {_QUOTED.sub(lambda found: found[0].lower(), form) for form in upper}


def _json_escaped(text: str) -> set[str]:
    r"""Return the ways in which JSON may say ``text``.

    Writers differ in whether they escape what is not ASCII, the slash (``\/``), and what means something in HTML, and
    in how they write the hexadecimal digits of ``\u``.
    """
    forms: set[str] = set()
    for is_ascii, slash, unsafe in product((True, False), ("/", "\\/"), ("", "<>&", "<>&'")):
        form = json.dumps(text, ensure_ascii=is_ascii)[1:-1].replace("/", slash)
        forms.add(form.translate({ord(character): f"\\u{ord(character):04x}" for character in unsafe}))
    return forms | {_UNICODE.sub(lambda found: "\\u" + found[1].upper(), form) for form in forms}


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


def _wrapped(raw: bytes) -> set[bytes]:
    """Return the lines of ``raw`` in base64, where it is too long for one."""
    text = b64encode(raw).rstrip(b"=")
    lines = {
        text[start : start + width]
        for width in _WRAPPED_AT
        if len(text) > width
        for start in range(0, len(text), width)
    }
    return {line for line in lines if len(line) >= _SHORTEST_REST}


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_QUOTED = re.compile(r"%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u([0-9a-f]{4})")
