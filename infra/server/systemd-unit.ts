/**
 * The systemd unit of `gyre serve`: starts it at boot and after a crash, as a user of its own that can write nothing but
 * its state. `Type=exec`, not `notify`: Node opens no datagram sockets, over which readiness would be told.
 */

import path from 'node:path'

export interface UnitOptions {
  /** Program and arguments, as they are to be run. */
  readonly command: readonly string[]
  /** The installation: it need not be writable. */
  readonly installation: string
  /** The state folder. */
  readonly state: string
  /** Files that are read, to see where they lie. */
  readonly files: readonly string[]
  /** A port below 1024 needs a capability. */
  readonly port: number
}

/** Where systemd itself makes and owns the state folder. */
export const UNIT_STATE = '/var/lib/gyre'

export function systemdUnit({ command, installation, state, files, port }: UnitOptions): string {
  const isOwnState = state === UNIT_STATE
  const isInHome = [installation, state, ...command.slice(0, 2), ...files].some((file) => /^\/(home|root)\//.test(file))
  const capability = port < 1024 ? 'CAP_NET_BIND_SERVICE' : ''
  return `# Gyre, one server for a team. As root:
#   useradd --system --home-dir ${UNIT_STATE} --shell /usr/sbin/nologin gyre
#   install -m 644 gyre.service /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now gyre
# Settings (GYRE_STORE, AWS_…, TEMPORAL_…) go to /etc/gyre/environment, mode 600.

[Unit]
Description=Gyre
Documentation=file://${escapeSpecifiers(path.join(installation, 'docs/server.md'))}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=gyre
Group=gyre
EnvironmentFile=-/etc/gyre/environment
Environment=XDG_CACHE_HOME=/var/cache
WorkingDirectory=${escapeSpecifiers(installation)}
ExecStart=${command.map(quote).join(' ')}
# A renewed certificate; it is found without this too, within a minute.
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
# Gyre stops its processes in order; what is left after the time is killed.
KillMode=mixed
TimeoutStopSec=60

# What it may write.
UMask=0077
${isOwnState ? 'StateDirectory=gyre\nStateDirectoryMode=0700' : `ReadWritePaths=${quote(state)}`}
CacheDirectory=gyre
ProtectSystem=strict
ProtectHome=${isInHome ? 'read-only' : 'yes'}
PrivateTmp=yes
# A GPU needs its device files: PrivateDevices=no.
PrivateDevices=yes

# What it may do.
NoNewPrivileges=yes
CapabilityBoundingSet=${capability}
AmbientCapabilities=${capability}
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
`
}

function quote(word: string): string {
  const escaped = escapeSpecifiers(word).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? escaped : `"${escaped}"`
}

/** systemd replaces `%n` and its like. */
function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}
