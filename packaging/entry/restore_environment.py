"""Runs first in each executable: gives the environment back as the site has it.

PyInstaller's boot loader points LD_LIBRARY_PATH at the libraries beside the executable, keeps the site's own value
aside, and leaves notes for copies of itself. A program that is started from here with those would load our libraries,
not its own.
"""


def _restore() -> None:
    from os import environ

    environ.pop("LD_LIBRARY_PATH", None)
    if original := environ.pop("LD_LIBRARY_PATH_ORIG", None):
        environ["LD_LIBRARY_PATH"] = original
    for name in [name for name in environ if name.startswith("_PYI_")]:
        del environ[name]


_restore()
del _restore
