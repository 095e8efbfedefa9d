"""No secret survives, in whatever encoding and however the output is cut; everything else passes unchanged."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.runtime.rules.masking import MASK, MaskedStream, Secrets, SecretTooShortError

SECRETS = st.text(st.characters(codec="utf-8"), min_size=4, max_size=24).filter(lambda text: len(text.strip()) >= 4)
BYTES = st.binary(max_size=40)


def encoded_forms(secret: str, before: bytes, after: bytes) -> list[bytes]:
    """What a program may print of a secret, made the way a program makes it."""
    raw = secret.encode()
    return [
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        *(form.encode() for form in (*url_forms(secret), *json_forms(secret))),
        b64encode(raw),
        b64encode(raw).rstrip(b"="),
        urlsafe_b64encode(raw),
        # Inside something longer: the same bytes at any of the three alignments.
        *_core(b64encode, raw, before),
        *_core(urlsafe_b64encode, raw, before),
    ]


def url_forms(secret: str) -> list[str]:
    """Percent-encoded, as Python, JavaScript, browsers and Java do it; some write the digits in lower case."""
    hexadecimal = "".join(f"%{byte:02X}" if byte in RESERVED else chr(byte) for byte in secret.encode())
    plus = hexadecimal.replace("%20", "+")
    component = quote(secret, safe="!'()*")
    forms = [quote(secret), quote_plus(secret), component, hexadecimal, plus]
    return forms + [re.sub("%..", lambda found: found[0].lower(), form) for form in forms]


RESERVED = frozenset(range(256)) - frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def json_forms(secret: str) -> list[str]:
    r"""As Python writes JSON, PHP (``\\/``), Go (``<`` escaped), and with hexadecimal digits in upper case."""
    plain, escaped = json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]
    forms = [plain, escaped, plain.replace("/", "\\/"), escaped.replace("/", "\\/")]
    forms += [form.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") for form in (plain, escaped)]
    return forms + [re.sub(r"\\u[0-9a-f]{4}", _upper_digits, form) for form in forms]


def _upper_digits(found: re.Match[str]) -> str:
    return "\\u" + found[0][2:].upper()


def _core(encode, raw: bytes, before: bytes) -> list[bytes]:  # type: ignore[no-untyped-def]  # two of one kind
    """The characters of an encoded text that hold nothing but the secret."""
    text = encode(before + raw)
    first, last = -(-len(before) * 8 // 6), (len(before) + len(raw)) * 8 // 6
    return [text[first:last]]


def through(secrets: Secrets, data: bytes, cuts: list[int]) -> bytes:
    stream = MaskedStream(secrets)
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    return b"".join([*map(stream.feed, pieces), stream.finish()])


@given(SECRETS, BYTES, BYTES, st.lists(st.integers(0, 400), max_size=12), st.data())
def test_no_encoding_of_a_secret_survives_any_cutting(
    secret: str, before: bytes, after: bytes, cuts: list[int], data: st.DataObject
) -> None:
    secrets = Secrets()
    secrets.add(secret)
    form = data.draw(st.sampled_from(encoded_forms(secret, before, after)))

    shown = through(secrets, before + form + after, cuts)

    assert len(form) < 4 or form not in shown.replace(MASK, b"\0") or form in MASK


AWKWARD = "pä/ß w<ö>rd&+'1~*!"
"""A secret with something for every encoding to do."""


@pytest.mark.parametrize("before", [b"", b"u", b"u:", b"user:"], ids=["first", "1 after", "2 after", "5 after"])
def test_each_encoding_is_masked_split_over_two_writes_at_any_position(before: bytes) -> None:
    secrets = Secrets()
    secrets.add(AWKWARD)
    forms = encoded_forms(AWKWARD, before, b"")

    survived = [
        (form, cut)
        for form in {form.rstrip(b"=") for form in forms}
        for cut in range(len(form) + 1)
        if through(secrets, b"<" + form + b">", [cut + 1]) != b"<" + MASK + b">"
    ]

    assert survived == []
    assert len(set(forms)) >= 20, "the encodings differ, or this tries nothing"


@given(st.binary(min_size=80, max_size=300).map(lambda raw: raw.hex()), st.sampled_from([64, 76]))
def test_a_long_secret_in_lines_of_base64_is_masked(secret: str, width: int) -> None:
    secrets = Secrets()
    secrets.add(secret)
    text = b64encode(secret.encode())
    lines = [text[start : start + width] for start in range(0, len(text), width)]

    shown = through(secrets, b"\n".join(lines), []).split(b"\n")

    assert [line for line in shown[:-1] if line != MASK] == []
    assert len(shown[-1].rstrip(b"=")) < 8 or shown[-1].rstrip(b"=") == MASK


@given(st.lists(SECRETS, max_size=4), st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=12), st.data())
def test_the_result_does_not_depend_on_where_the_output_is_cut(
    texts: list[str], noise: bytes, cuts: list[int], data: st.DataObject
) -> None:
    secrets = Secrets()
    for text in texts:
        secrets.add(text)
    parts = st.one_of(st.binary(max_size=6), *(st.just(text.encode()) for text in texts))
    output = noise + b"".join(data.draw(st.lists(parts, max_size=12)))

    assert through(secrets, output, cuts) == through(secrets, output, [])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=12))
def test_text_without_secrets_passes_unchanged(output: bytes, cuts: list[int]) -> None:
    secrets = Secrets()
    secrets.add("a secret that is not in there")

    assert through(secrets, output, cuts) == output
    assert through(Secrets(), output, cuts) == output


def test_a_key_of_many_lines_is_masked_line_by_line() -> None:
    secrets = Secrets()
    secrets.add("-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n}\n-----END KEY-----\n")

    shown = through(secrets, b"  MIIEvQIBADAN\r\n| BgkqhkiG9w0B |\n}\n", [])

    assert shown == b"  ***\r\n| *** |\n}\n"


def test_what_cannot_be_a_secret_is_not_held_back() -> None:
    secrets = Secrets()
    secrets.add("password1")
    stream = MaskedStream(secrets)

    assert stream.feed(b"the pass") == b"the "
    assert stream.feed(b"port") == b"passport"
    assert stream.feed(b" passw") == b" "
    assert stream.feed(b"ord1!") == b"***!"


def test_a_secret_inside_a_longer_one_hides_nothing_less() -> None:
    secrets = Secrets()
    secrets.add("hunter")
    secrets.add("hunter22")

    assert through(secrets, b"hunter22 hunter2 hunter", [3, 7, 12]) == b"*** ***2 ***"


@pytest.mark.parametrize("secret", ["", "abc", "  abc  ", "é" * 3])
def test_a_secret_too_short_to_mask_is_refused(secret: str) -> None:
    secrets = Secrets()

    with pytest.raises(SecretTooShortError, match="fewer than 4"):
        secrets.add(secret)

    assert through(secrets, b"abc abc", []) == b"abc abc"


def test_json_values_are_masked_wherever_text_stands() -> None:
    secrets = Secrets()
    secrets.add("12345")

    masked = secrets.mask_json({"x12345": ["12345", 12345, 1.5, True, None]})

    assert masked == {"x***": ["***", "***", 1.5, True, None]}
