"""Tiny wheels, made here: no index and no network is needed to install them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def make_wheel(folder: Path, name: str, version: str, *, code: str | None = None, requires: Sequence[str] = ()) -> Path:
    """Make a pure wheel whose one module says its version (``VERSION``) and whatever ``code`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{code or ''}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(zipfile.ZipInfo(member, _EPOCH), text)
    return path


def pack_wheel(folder: Path, file: str, members: Mapping[str, bytes | str], *, mode: int = 0o100644) -> Path:
    """Make a wheel of these files and what every wheel has; nothing keeps it from being a bad one."""
    folder.mkdir(parents=True, exist_ok=True)
    name, version, *_ = file.split("-")
    with zipfile.ZipFile(folder / file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\n")
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, _EPOCH)
            entry.external_attr = (0o40755 if entry.is_dir() else mode) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return folder / file


def installed_wheel(folder: Path, name: str, tag: str) -> Path:
    """Make a wheel again of what is installed beside the tests: a compiled one is had without an index."""
    of = distribution(name)
    members = {
        str(each): Path(each.locate()).read_bytes()
        for each in of.files or ()
        if each.parts[0] != ".." and "__pycache__" not in each.parts and each.name != "WHEEL"
    }
    return pack_wheel(folder, f"{name}-{of.version}-{tag}.whl", members, mode=0o100755)


def pinned(*wheels: Path) -> str:
    """Return a lock of these wheels."""
    lines: list[str] = []
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{sha256}\n")
    return "".join(lines)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
