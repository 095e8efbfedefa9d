"""The agent as a service: its definition for systemd, launchd and Windows. Pure: texts from what they name."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from leasehold_agent.installing.places import SERVICE_USER, SYSTEM_STATE, Scope

_SHARED = """\
[Unit]
Description=Leasehold edge agent: takes leases over outbound HTTPS and runs them here
Documentation=man:systemd.service(5)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run
# Ends at once. Tasks go on with their hosts, and the next start, of whatever version, finds them.
ExecStop={program} stop --force
ExecReload={program} reload
Restart=always
RestartSec=5
# Only a person helps: 2 is settings that can't be used, 3 is not enrolled.
RestartPreventExitStatus=2 3
SuccessExitStatus=143
TimeoutStartSec=90
TimeoutStopSec=20
WatchdogSec=180
# Only the agent itself is ended: attempt hosts are processes of the same unit, and outlive it.
KillMode=process
Delegate=yes
UMask=0077
LimitNOFILE=65536
"""

_SYSTEM = """\
User={user}
Group={user}
StateDirectory=leasehold-agent
StateDirectoryMode=0700
# A key that seals the agent's own, from /etc/credstore or /etc/credstore.encrypted when it is there.
LoadCredential=leasehold-agent-key

# What tasks may do is what the agent may do. These still allow tasks; a drop-in loosens or tightens them
# (systemctl edit edge-agent). Not among them, on purpose: PrivateTmp (a host that outlives the agent would lose its
# /tmp), ProtectControlGroups (attempts have groups of their own), MemoryDenyWriteExecute and RestrictNamespaces
# (tasks in other languages compile, and run containers).
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=full
ProtectHome=read-only
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
PrivateDevices=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_USER = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes

[Install]
WantedBy=default.target
"""

_LAUNCHD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>org.leasehold.edge-agent</string>
  <key>ProgramArguments</key>
  <array><string>{program}</string><string>run</string></array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>Umask</key><integer>63</integer>
  <!-- Attempt hosts outlive the agent: launchd must not end its process group. -->
  <key>AbandonProcessGroup</key><true/>
{more}</dict>
</plist>
"""

_WINDOWS = """\
<service>
  <!-- For WinSW (a wrapper that speaks to Windows' service manager): beside its executable, under the same name. -->
  <id>edge-agent</id>
  <name>Leasehold edge agent</name>
  <description>Takes leases over outbound HTTPS and runs them here.</description>
  <executable>{program}</executable>
  <arguments>run</arguments>
  <stopexecutable>{program}</stopexecutable>
  <stoparguments>stop --force</stoparguments>
  <onfailure action="restart" delay="10 sec"/>
  <startmode>Automatic</startmode>
  <delayedAutoStart>true</delayedAutoStart>
  <log mode="roll-by-size"/>
</service>
"""


def systemd_unit(program: Path, scope: Scope) -> str:
    """Return the unit that starts ``program``, of the machine or of a user."""
    more = _SYSTEM.format(user=SERVICE_USER) if scope == "system" else _USER
    return _SHARED.format(program=_in_a_unit(program)) + more


def launchd_plist(program: Path, scope: Scope) -> str:
    """Return the property list of a daemon, or of a user's agent."""
    more = f"  <key>UserName</key><string>{SERVICE_USER}</string>\n" if scope == "system" else ""
    return _LAUNCHD.format(program=escape(str(program)), more=more)


def windows_service(program: Path) -> str:
    """Return the definition of a service for WinSW."""
    return _WINDOWS.format(program=escape(str(program)))


def system_settings() -> str:
    """Return the settings of a new installation of the machine: everybody who types a command means the same agent."""
    return f"""\
# Settings of edge-agent: edge-agent config shows all of them, and where each comes from.
state_dir = "{SYSTEM_STATE}"
# slots = 4
# labels = {{ place = "hall-3" }}
# ca_file = "/etc/leasehold/ca.pem"
"""


def _in_a_unit(program: Path) -> str:
    """Return a path as a unit names it: quoted where it has spaces; % and $ mean something there."""
    text = str(program).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(char.isspace() for char in text) or "\\" in text else text
