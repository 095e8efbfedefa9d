"""The policy that ``edge-agent policy init`` prints."""

from __future__ import annotations

EXAMPLE = """\
# The policy of this site: what may run here. Only this site changes it; nobody at the centre can.
# What a list does not name is not allowed. In patterns * and ? stay within one part of a path, ** is anything.
# Keep it out of the reach of tasks: it belongs to root, as /etc/leasehold/policy.toml.
#   edge-agent policy check FILE      names every mistake
#   edge-agent policy explain ...     says whether a task would run here
# The running agent takes a change in by itself. Write a new file and rename it, so that it never sees half of one.

version = 1

runtimes = ["python", "program"]   # which kinds of tasks may run; "container" is the third
teams = ["default"]                # whose
dags = ["sensor_*", "backup"]      # of which DAGs; ["*"] is any
connections = ["plant_db"]         # what they may read
variables = ["sensor_report/*"]
environments = "wheels-only"       # what dependencies are installed from: "index", what travels along, or "never"
# images = ["registry.example.com/tools/*@sha256:*"]   # what container tasks may run, as authors write it

# Run only what was signed: with these keys (leasehold keys show FILE), or those of a JWKS file, or both.
# [signers]
# keys = ["ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
# jwks = "/etc/leasehold/signers.json"
# max_age = "90d"                  # left out: a signature lasts until its signer said, or for ever

[limits]
slots = 4                          # attempts at once
memory_per_process = "2GiB"        # address space of each process of an attempt
log = "64MiB"                      # of each attempt; more is counted, not kept
timeout = "2h"                     # a task may ask for no longer, and gets this if it asks for none
max_offline = "1h"
spool = "5GiB"                     # with more waiting on disk no new work is taken

[hours]
timezone = "UTC"
windows = [
    { start = "0 6 * * mon-fri", duration = "12h" },
    { start = "0 8 * * sat", duration = "4h" },
]
at_end = "finish"                  # or "cancel": what becomes of attempts that run when the hours end

# Programs for tasks of the runtime program, by absolute path. One table each.
[[programs]]
path = "/usr/bin/rsync"
args = [["-a", "/data/**", "/backup/**"]]   # lists of patterns, one per argument; left out: any arguments
env = ["RSYNC_*"]                           # variables that the author may set

[[programs]]
path = "/usr/bin/df"
args = [["-h"], ["-h", "..."]]              # "..." at the end: any further arguments
"""
