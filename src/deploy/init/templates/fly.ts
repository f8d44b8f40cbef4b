/** `shimmy init --template fly`: a machine with a volume on Fly.io that sleeps while nobody asks. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { DRAIN_SECONDS, listed, mebibytes, NEW_KEY, STOP_SECONDS } from "./common.ts";
import { DOCKERIGNORE } from "./docker.ts";
import { hostedDockerfile, startScript } from "./hosted.ts";

export const fly: Template = {
  name: "fly",
  aliases: ["fly.io", "flyio"],
  summary: "Fly.io: fly.toml with a volume, health checks, machines that sleep while nobody asks",
  files: (options) => [
    { path: "fly.toml", text: configuration(options) },
    { path: "Dockerfile.fly", text: hostedDockerfile(options, "0.0.0.0") },
    { path: "start.sh", text: startScript(options), mode: 0o755 },
    { path: ".dockerignore", text: DOCKERIGNORE },
    { path: "README-fly.md", text: readme(options) },
  ],
};

function configuration(options: TemplateOptions): string {
  const { name, port } = options;
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
  cpu_kind = "shared"
  cpus = ${flyCpus(options)}
  memory = "${flyMemory(options)}mb"
`;
}

/** What Fly sells: powers of two up to eight shared processors, memory in steps of 256 MB, at least 256 MB for each of them. */
function flyCpus({ cpus }: TemplateOptions): number {
  return Math.min(8, 2 ** Math.ceil(Math.log2(Math.max(1, cpus))));
}

function flyMemory(options: TemplateOptions): number {
  return Math.max(256 * flyCpus(options), Math.ceil(mebibytes(options) / 256) * 256);
}

function readme(options: TemplateOptions): string {
  const { name, models, memoryReason, replicas, version } = options;
  return `# ${name}: Shimmy on Fly.io

\`\`\`sh
fly apps create ${name}                              # names are the whole world's: change it in fly.toml if it is taken
fly secrets set SHIMMY_API_KEY=${NEW_KEY}    # note it first if you want to use it
fly deploy
${replicas > 1 ? `fly scale count ${replicas} --with-new-volumes\n` : ""}curl https://${name}.fly.dev/health
\`\`\`

- **Models.** ${models.length > 0 ? `The first start pulls ${listed(options)} into the volume and verifies them; later starts find them there.` : "The embedded shimmy-tiny answers; \\`shimmy init --template fly --models owner/repo:Q4_K_M\\` has start.sh pull one.".replaceAll("\\`", "`")}
- **Size.** ${memoryReason} ${flyMemory(options)} MB and ${flyCpus(options)} shared processors, as Fly sells them. \`cpu_kind = "performance"\` is several times as fast.
- **Sleep.** A machine that nobody asks is stopped, and started by the next request; min_machines_running = 1 keeps one.
- **Stopping.** Running answers finish for up to ${DRAIN_SECONDS} s.
- **User.** start.sh gives the volume to the user \`node\` and drops root for good before it pulls or serves.
- **The package.** \`shimmy@${version}\` of npm's registry, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies here.
- **Metrics** need the key: Fly's own scraper sends none, so /metrics is for your Prometheus.
`;
}
