/** `shimmy init --template systemd`: a service of its own user that can do little besides serving; several instances by their port. */
import { ShimmyError } from "../../../contract/errors.ts";
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import {
  DRAIN_SECONDS,
  instances,
  isPrivileged,
  listed,
  mebibytes,
  modelVariables,
  NEW_KEY,
  notOfHub,
  ofHub,
  pullLines,
  SETTLE_SECONDS,
  STOP_SECONDS,
} from "./common.ts";

export const systemd: Template = {
  name: "systemd",
  summary: "hardened systemd units: a service per port, and one that pulls and verifies the models",
  files: (options) => {
    // systemd makes a user only where there is none of the name.
    if (options.name === "root") throw new ShimmyError("invalid_value", { param: "--name", reason: "the service would run as this user" });
    return [
      { path: `${options.name}@.service`, text: serviceUnit(options) },
      ...(options.models.length > 0 ? [{ path: `${options.name}-models.service`, text: modelsUnit(options) }] : []),
      { path: `${options.name}.target`, text: target(options) },
      { path: "README-systemd.md", text: readme(options) },
    ];
  },
};

function environment({ name, ...options }: TemplateOptions): string {
  const variables = {
    XDG_DATA_HOME: `/var/lib/${name}/%i`,
    XDG_CACHE_HOME: `/var/cache/${name}`,
    HOME: `/var/lib/${name}`,
    SHIMMY_PULL_DIR: `/var/lib/${name}/models`,
    SHIMMY_MODEL_STORES: "off",
    SHIMMY_BIND_ADDRESS: "127.0.0.1:%i",
    SHIMMY_DRAIN_TIMEOUT: `${DRAIN_SECONDS}s`,
    SHIMMY_DRAIN_SETTLE: `${SETTLE_SECONDS}s`,
    ...modelVariables({ name, ...options }),
  };
  return Object.entries(variables)
    .map(([variable, value]) => `Environment=${variable}=${value}`)
    .join("\n");
}

/** What both units may not do. V8 compiles at run time, so memory that is written and executed cannot be forbidden. */
const SANDBOX = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateTmp=yes
# For a GPU: PrivateDevices=no, and DevicePolicy=closed with a DeviceAllow= for each device.
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077`;

const NO_CAPABILITIES = `CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes`;

/** The capability counts in the machine's own namespace of users only, so there is none of its own. */
const PRIVILEGED_PORT = `CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE`;

/** Names of users are shorter than those of services. */
function userOf(name: string): string {
  return name.slice(0, 31).replace(/-$/, "");
}

/** The same user for all units, so that they share the models; it exists while one of them runs. */
function user({ name }: TemplateOptions): string {
  return `DynamicUser=yes
User=${userOf(name)}
StateDirectory=${name}
CacheDirectory=${name}
StateDirectoryMode=0700
WorkingDirectory=/var/lib/${name}`;
}

function serviceUnit(options: TemplateOptions): string {
  const { name, cpus, models } = options;
  const pulled = models.length > 0 ? ` ${name}-models.service` : "";
  return `[Unit]
Description=Shimmy on port %i
Wants=network-online.target${pulled}
After=network-online.target${pulled}
PartOf=${name}.target
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=exec
ExecStart=/usr/bin/env shimmy serve
${environment(options)}
# May hold SHIMMY_API_KEY and any other setting; read by root.
EnvironmentFile=-/etc/${name}/environment
Restart=on-failure
RestartSec=2
# Running answers finish first. Only the server is told: it ends its engines itself.
KillMode=mixed
TimeoutStopSec=${STOP_SECONDS}
MemoryMax=${mebibytes(options)}M
CPUQuota=${Math.round(cpus * 100)}%
TasksMax=512
LimitNOFILE=65536
OOMPolicy=continue

${user(options)}
${isPrivileged(options) ? PRIVILEGED_PORT : NO_CAPABILITIES}
${SANDBOX}

[Install]
WantedBy=${name}.target
`;
}

function modelsUnit(options: TemplateOptions): string {
  const { name, models } = options;
  const steps = pullLines(options).map((line) => `ExecStart=/bin/sh -c "${line}"`);
  return `[Unit]
Description=Models of ${name}: ${models.join(", ")}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
${steps.join("\n")}
Environment=HOME=/var/lib/${name}
Environment=XDG_CACHE_HOME=/var/cache/${name}
Environment=SHIMMY_PULL_DIR=/var/lib/${name}/models
Environment=SHIMMY_MODEL_STORES=off
# May hold HF_TOKEN, for gated repositories.
EnvironmentFile=-/etc/${name}/environment
# A model may take hours to come.
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=60

${user(options)}
${NO_CAPABILITIES}
${SANDBOX}
`;
}

function target({ name }: TemplateOptions): string {
  return `[Unit]
Description=All instances of ${name}

[Install]
WantedBy=multi-user.target
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, version, models, memoryReason } = options;
  const units = instances(options).map((instance) => `${name}@${instance.port}.service`);
  const modelsUnitName = models.length > 0 ? ` ${name}-models.service` : "";
  return `# ${name}: Shimmy as a service of systemd

\`\`\`sh
sudo npm install --global shimmy@${version}      # or the .tgz of \`npm pack\`; Node in /usr/bin or /usr/local/bin
sudo install -d -m 700 /etc/${name}
printf 'SHIMMY_API_KEY=%s\\n' ${NEW_KEY} | sudo install -m 600 /dev/stdin /etc/${name}/environment
sudo install -m 644 ${name}@.service${modelsUnitName} ${name}.target /etc/systemd/system/
sudo systemctl daemon-reload
sudo systemctl enable --now ${name}.target ${units.join(" ")}
curl http://127.0.0.1:${port}/health
\`\`\`

An instance is named by its port and listens on 127.0.0.1. For other machines, set a proxy with TLS before it (\`shimmy init --template nginx\`),
or say \`Environment=SHIMMY_BIND_ADDRESS=0.0.0.0:%i\` below \`[Service]\` in \`systemctl edit ${name}@.service\`: Shimmy accepts that only with a key.

- **User.** systemd makes the user \`${userOf(name)}\` while a unit runs. Models lie in /var/lib/${name}/models, what an instance remembers in /var/lib/${name}/PORT.
- **Models.** ${models.length > 0 ? `\`${name}-models.service\` fetches ${listed({ models: ofHub(options) })} and compares them with their digests; its failure does not keep the server from starting with what is there.${notOfHub(options, `/var/lib/${name}/models`)}` : "The embedded shimmy-tiny answers. Another one: set `--models`."}
- **Limits.** MemoryMax and CPUQuota. ${memoryReason} Shimmy reads the limit of its control group and loads what fits. OOMPolicy=continue: if the kernel ends an engine, the server lives and starts it anew.
- **Stopping.** \`systemctl stop\` lets answers finish for ${DRAIN_SECONDS} s. \`systemctl restart ${name}@${port}\` drains one instance while others answer.
- **Hardening.** \`systemd-analyze security ${name}@${port}.service\` lists what it cannot do.
- **Log.** \`journalctl -u '${name}@*' -f\`
`;
}
