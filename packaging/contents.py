"""What goes into the agent's executable besides what its imports name, and what stays out although imports name it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TocEntry = tuple[str, str, str]

METADATA = ("leasehold-agent", "apscheduler", "keyring")
"""Distributions whose metadata is read at run time: versions, and entry points of triggers and key rings."""

KEYRING_BACKENDS = (
    "keyring.backends.SecretService",
    "keyring.backends.libsecret",
    "keyring.backends.kwallet",
    "keyring.backends.chainer",
    "keyring.backends.fail",
    "keyring.backends.null",
    "keyring.backends.macOS",
    "keyring.backends.Windows",
)

EXCLUDED = (
    # The authors' and admins' command line is no part of a site.
    "leasehold.cli",
    "leasehold_api",
    # What these libraries import only where it happens to be installed, as it is beside the tests.
    "IPython",
    "PIL",
    "PyInstaller",
    "apscheduler.executors.gevent",
    "apscheduler.executors.tornado",
    "apscheduler.executors.twisted",
    "apscheduler.jobstores.etcd",
    "apscheduler.jobstores.mongodb",
    "apscheduler.jobstores.redis",
    "apscheduler.jobstores.rethinkdb",
    "apscheduler.jobstores.sqlalchemy",
    "apscheduler.jobstores.zookeeper",
    "attr",
    "click",
    "charset_normalizer",
    "hypothesis",
    "mypy",
    "pydantic.mypy",
    "pydantic.v1",
    "pydoc",
    "pygments",
    "pytest",
    "_pytest",
    "requests",
    "rich",
    "setuptools",
    "sqlalchemy",
    "typer",
    "uvloop",
    "yaml",
    # Key stores in which publishers may keep their keys: an agent only checks signatures.
    "azure",
    "boto3",
    "botocore",
    "google",
    "hvac",
    "keylet",
    "pkcs11",
    "sigstore",
)

_NEEDED_HOOKS = ("pyi_rth_cryptography_openssl",)
"""PyInstaller runs its hooks before any of our code. The others import inspect, zipfile and multiprocessing, for
programs that show their own source, walk their own packages, or start themselves as workers: neither of ours does."""

_NEEDED_METADATA = ("METADATA", "entry_points.txt")


def without_traces(files: Iterable[TocEntry]) -> Sequence[TocEntry]:
    """Return the data files less what installers note beside metadata: folders of this machine, too."""
    return [entry for entry in files if ".dist-info/" not in entry[0] or entry[0].endswith(_NEEDED_METADATA)]


def without_slow_hooks(scripts: Iterable[TocEntry]) -> Sequence[TocEntry]:
    """Return the scripts an executable runs, less those that make every start slower for nothing."""
    return [entry for entry in scripts if not entry[0].startswith("pyi_rth_") or entry[0] in _NEEDED_HOOKS]
