"""When an asset is active: whoever declared a name or URI first is right."""

from __future__ import annotations

import pytest

from leasehold_api.assets.declaring import Declaration, why_inactive


@pytest.mark.parametrize(
    ("name", "uri", "because"),
    [
        ("a", "s3://a", None),
        ("a", "s3://x", "its URI is 's3://a' in the DAG one"),
        ("b", "s3://a", "'s3://a' is called 'a' in the DAG one"),
        ("c", "s3://c", "no DAG declares it any more"),
    ],
)
def test_why_an_asset_is_not_active(name: str, uri: str, because: str | None) -> None:
    known = [
        Declaration(dag="two", name="b", uri="s3://a", since=2.0),
        Declaration(dag="two", name="a", uri="s3://x", since=2.0),
        Declaration(dag="one", name="a", uri="s3://a", since=1.0),
    ]

    found = why_inactive(name, uri, known)

    assert (found is None) if because is None else (found is not None and found.startswith(because))
