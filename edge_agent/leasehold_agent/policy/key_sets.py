"""The keys in a JWKS file (RFC 7517) that may sign: Ed25519, public, each once. Pure: the text is an argument."""

from __future__ import annotations

import json
from typing import cast

from leasehold_protocol.signed.keys import SIZE, key_line, unbase64url

MOST_KEYS = 100


class BadKeySetError(ValueError):
    """It is no set of keys that can be used; the text names cause and cure."""


def keys_in(text: str) -> tuple[list[str], list[str]]:
    """Return the keys of a JWKS as ``ed25519:…``, and notes on those that can't sign DAGs.

    Raises:
        BadKeySetError: it is no JWKS, holds a private key, or no key that can sign.
    """
    keys, notes = list[str](), list[str]()
    for number, jwk in enumerate(_members(text), 1):
        name = f"key {number}" + (f" ({jwk['kid']})" if isinstance(jwk.get("kid"), str) else "")
        if "d" in jwk:
            raise BadKeySetError(f"{name} is a private key: only public halves belong here, without d; change that key")
        if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or jwk.get("use", "sig") != "sig":
            notes.append(f"{name} is passed over: only Ed25519 keys for signatures sign DAGs")
            continue
        keys.append(_line(jwk.get("x"), name))
    if not keys:
        raise BadKeySetError("has no Ed25519 key: put in what leasehold keys show FILE --json prints as jwk")
    return list(dict.fromkeys(keys)), notes


def _members(text: str) -> list[dict[str, object]]:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        raise BadKeySetError('is not JSON: write {"keys": [ … ]}') from None
    found = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise BadKeySetError('is no JWKS: write {"keys": [ … ]}')
    members = cast("list[object]", found)
    if len(members) > MOST_KEYS:
        raise BadKeySetError(f"has {len(members)} keys: {MOST_KEYS} at most")
    if not all(isinstance(one, dict) for one in members):
        raise BadKeySetError("has something among its keys that is no JWK (an object)")
    return cast("list[dict[str, object]]", members)


def _line(x: object, name: str) -> str:
    try:
        public = unbase64url(x) if isinstance(x, str) else b""
    except ValueError:
        public = b""
    if len(public) != SIZE:
        raise BadKeySetError(f"{name}: x is not the {SIZE} bytes of an Ed25519 key in base64url")
    return key_line(public)
