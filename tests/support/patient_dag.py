"""A DAG whose task goes on across whatever is done to its agent meanwhile."""

from __future__ import annotations

DAG = '''\
"""A task that goes on until it is let go, and then loads a module that it has not needed before."""

import time
from pathlib import Path

from leasehold import dag, task


@task
def patient(gate: str) -> str:
    print("waiting", flush=True)
    while not Path(gate).exists():
        time.sleep(0.02)
    import tabnanny, xml.dom.minidom

    return "went on"


@dag
def waiting(gate: str):
    patient(gate)
'''
