"""Builds the packages that the two DAGs here depend on: the same library in two versions that don't go together.

    python examples/side_by_side/make_packages.py

Real packages come from an index or a build of yours; these are made by hand, so that the example needs no network.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "packages"
NAME = "tariffs"
VERSIONS = {
    "1.4": "def price(kwh):\n    return round(kwh * 0.30, 2)\n",
    "2.0": "def price(kwh, *, peak):\n    return round(kwh * (0.42 if peak else 0.25), 2)\n",
}


def make(folder: Path, version: str, code: str) -> Path:
    """Build one wheel (PEP 427): a zip with the module and what is said of it."""
    folder.mkdir(exist_ok=True)
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: example\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    path = folder / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def main() -> None:
    """Build all of them."""
    for version, code in VERSIONS.items():
        print(make(FOLDER, version, code))


if __name__ == "__main__":
    main()
