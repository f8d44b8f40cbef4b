/** `shimmy init --template fly`: a machine with a volume on Fly.io that sleeps while nobody asks. */
import { ShimmyError } from "../../../contract/errors.ts";
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { DRAIN_SECONDS, listed, mebibytes, NEW_KEY, notOfHub, ofHub, refusePrivileged, STOP_SECONDS } from "./common.ts";
import { DOCKERIGNORE } from "./docker.ts";
import { hostedDockerfile, startScript } from "./hosted.ts";

export const fly: Template = {
  name: "fly",
  aliases: ["fly.io", "flyio"],
  summary: "Fly.io: fly.toml with a volume, health checks, machines that sleep while nobody asks",
  files: (options) => {
    refusePrivileged(options, "start.sh");
    return [
      { path: "fly.toml", text: configuration(options) },
      { path: "Dockerfile.fly", text: hostedDockerfile(options, "0.0.0.0") },
      { path: "start.sh", text: startScript(options), mode: 0o755 },
      { path: ".dockerignore", text: DOCKERIGNORE },
      { path: "README-fly.md", text: readme(options) },
    ];
  },
};

function configuration(options: TemplateOptions): string {
  const { name, port } = options;
  const machine = machineFor(options);
  return `app = "${name}"
# The nearest to you: \`fly platform regions\`.
primary_region = "fra"
kill_signal = "SIGTERM"
# Running answers finish.
kill_timeout = "${STOP_SECONDS}s"

[build]
  dockerfile = "Dockerfile.fly"

[mounts]
  source = "data"
  destination = "/data"
  initial_size = "20gb"

# Its default of five minutes is short for the first start, which pulls the models.
[deploy]
  wait_timeout = "20m"

[http_service]
  internal_port = ${port}
  force_https = true
  auto_stop_machines = "stop"
  auto_start_machines = true
  min_machines_running = 0

  [http_service.concurrency]
    type = "requests"
    soft_limit = 8
    hard_limit = 64

  # 503 while it loads or drains. The first start pulls the models.
  [[http_service.checks]]
    method = "GET"
    path = "/health"
    interval = "15s"
    timeout = "5s"
    grace_period = "10m"

[[vm]]
  cpu_kind = "${machine.kind}"
  cpus = ${machine.cpus}
  memory = "${machine.megabytes}mb"
`;
}

interface Machine {
  readonly kind: "shared" | "performance";
  readonly cpus: number;
  readonly megabytes: number;
}

/** What Fly sells, by processor: least and most memory, and its steps. Source: https://fly.io/docs/machines/guides-examples/machine-sizing */
const SOLD = [
  { kind: "shared", cpus: [1, 2, 4, 8], least: 256, most: 2048, step: 256 },
  { kind: "performance", cpus: [1, 2, 4, 8, 16], least: 2048, most: 8192, step: 2048 },
] as const;
const MOST_CPUS = 16;

/** The smallest that has what is needed; more than sixteen processors are not sold. @throws invalid_value */
function machineFor(options: TemplateOptions): Machine {
  const needed = mebibytes(options);
  const wanted = Math.min(options.cpus, MOST_CPUS);
  for (const { kind, cpus: sizes, least, most, step } of SOLD) {
    const cpus = sizes.find((size) => size >= wanted && size * most >= needed);
    if (cpus !== undefined) return { kind, cpus, megabytes: Math.max(least * cpus, Math.ceil(needed / step) * step) };
  }
  throw new ShimmyError("invalid_value", { param: "--memory", reason: "Fly.io's largest machine has 128Gi" });
}

function readme(options: TemplateOptions): string {
  const { name, models, memoryReason, replicas, version } = options;
  const { kind, cpus, megabytes } = machineFor(options);
  return `# ${name}: Shimmy on Fly.io

\`\`\`sh
fly apps create ${name}                              # names are the whole world's: change it in fly.toml if it is taken
fly secrets set SHIMMY_API_KEY=${NEW_KEY}    # note it first if you want to use it
fly deploy
${replicas > 1 ? `fly scale count ${replicas} --with-new-volumes\n` : ""}curl https://${name}.fly.dev/health
\`\`\`

- **Models.** ${models.length > 0 ? `The first start pulls ${listed({ models: ofHub(options) })} into the volume and verifies them; later starts find them there.${notOfHub(options, "/data/models")}` : "The embedded shimmy-tiny answers; \\`shimmy init --template fly --models owner/repo:Q4_K_M\\` has start.sh pull one.".replaceAll("\\`", "`")}
- **Size.** ${memoryReason} ${megabytes} MB and ${cpus} ${kind} processors, as Fly sells them.${kind === "shared" ? ` \`cpu_kind = "performance"\` is several times as fast, and has at least 2048 MB for each.` : ""}
- **Sleep.** A machine that nobody asks is stopped, and started by the next request; min_machines_running = 1 keeps one.
- **Stopping.** Running answers finish for up to ${DRAIN_SECONDS} s.
- **User.** start.sh gives the volume to the user \`node\` and drops root for good before it pulls or serves.
- **The package.** \`shimmy@${version}\` of npm's registry, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies here.
- **Metrics** need the key: Fly's own scraper sends none, so /metrics is for your Prometheus.
`;
}
