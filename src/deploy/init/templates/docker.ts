/** `shimmy init --template docker`: an image, and a compose file that runs it with everything a container should not have taken away. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import {
  DRAIN_SECONDS,
  indented,
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

export const docker: Template = {
  name: "docker",
  summary: "Dockerfile and compose.yaml: non-root, read-only, limits, health check, models in a volume",
  files: (options) => [
    { path: "Dockerfile", text: dockerfile(options) },
    { path: ".dockerignore", text: DOCKERIGNORE },
    { path: "compose.yaml", text: compose(options) },
    { path: "README-docker.md", text: readme(options) },
  ],
};

/** Nothing of the folder gets into the image but a package that lies there. */
export const DOCKERIGNORE = `*
!Dockerfile*
!start.sh
!lambda.mjs
!shimmy-*.tgz
`;

/**
 * Shell: takes away the engine of the other processor, 19 MB. npm installs linux-arm64 on x64 too, since that package names both, so none of
 * its flags (--cpu, --os, --libc, tried with npm 11.19) leaves it out.
 * @param packages where node_modules is, for a shell
 */
export function dropOtherEngine(packages: string): string {
  return `case "$(uname -m)" in x86_64) other=linux-arm64 ;; *) other=linux-x64 ;; esac \\
    && rm -rf "${packages}/@node-llama-cpp/$other"`;
}

/** Installs the package that lies beside the Dockerfile, else the one of the registry. For the images of other templates too. */
export function installStep({ version }: Pick<TemplateOptions, "version">): string {
  return `# A package made by \`npm pack\` that lies here is used; else the registry's. The Dockerfile comes along so that there is always something to copy.
COPY Dockerfile* shimmy-*.tgz /tmp/package/
RUN npm install --global --no-audit --no-fund "$(ls /tmp/package/shimmy-*.tgz 2> /dev/null || echo shimmy@${version})" \\
    && ${dropOtherEngine("$(npm root --global)/shimmy/node_modules")} \\
    && rm -rf /tmp/package /root/.npm`;
}

export function dockerfile(options: TemplateOptions): string {
  const { port } = options;
  const variables = Object.entries(modelVariables(options)).map(([name, value]) => ` \\\n    ${name}=${value}`);
  return `# The engines are built against glibc, so it is Debian and not Alpine.
FROM node:24-bookworm-slim

${installStep(options)}

# /models holds what was pulled, /data what the server remembers (files, batches, responses); both are volumes. The rest is read-only.
RUN mkdir /models /data && chown node:node /models /data
ENV NODE_ENV=production \\
    HOME=/tmp \\
    XDG_CACHE_HOME=/tmp/cache \\
    XDG_DATA_HOME=/data \\
    SHIMMY_PULL_DIR=/models \\
    SHIMMY_MODEL_STORES=off \\
    SHIMMY_BIND_ADDRESS=0.0.0.0:${port} \\
    SHIMMY_DRAIN_TIMEOUT=${DRAIN_SECONDS}s \\
    SHIMMY_DRAIN_SETTLE=${SETTLE_SECONDS}s \\
    SHIMMY_LOG_FORMAT=json${variables.join("")}

# By number, so that an orchestrator can see that it is not root. It is the user "node".
USER 1000:1000
WORKDIR /data
EXPOSE ${port}

# Needs no curl. Loading and draining are 503, hence unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \\
    CMD ["node", "-e", "fetch('http://127.0.0.1:${port}/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# It listens for other machines, so it starts only with SHIMMY_API_KEY. SIGTERM lets running answers finish.
ENTRYPOINT ["shimmy"]
CMD ["serve"]
`;
}

function compose(options: TemplateOptions): string {
  const { name, version, port, cpus, models } = options;
  const all = instances(options);
  return `name: ${name}

x-shimmy: &shimmy
  image: ${name}:${version}
  build: .
  restart: unless-stopped
  init: true
  read_only: true
  tmpfs: ["/tmp:size=64m,mode=1777"]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  stop_grace_period: ${STOP_SECONDS}s
${isPrivileged(options) ? `  sysctls: { net.ipv4.ip_unprivileged_port_start: "0" }\n` : ""}  deploy:
    resources:
      limits:
        cpus: "${cpus}"
        memory: ${mebibytes(options)}M
        pids: 512
  logging:
    driver: json-file
    options: { max-size: 10m, max-file: "3" }

services:
${all.map((instance) => service(instance, port, models.length > 0)).join("\n")}
${models.length > 0 ? pullService(options) : ""}
volumes:
  models:
${all.map(({ id }) => `  data-${id}:`).join("\n")}
`;
}

function service(instance: { readonly id: string; readonly port: number }, port: number, pulls: boolean): string {
  return `  ${instance.id}:
    <<: *shimmy
    # Only this machine; a proxy with TLS stands before it for others.
    ports: ["127.0.0.1:${instance.port}:${port}"]
    environment:
      SHIMMY_API_KEY: \${SHIMMY_API_KEY:?is missing, see README-docker.md}
    volumes: ["models:/models", "data-${instance.id}:/data"]
${
  pulls
    ? `    depends_on:
      pull: { condition: service_completed_successfully }
`
    : ""
}`;
}

/** Runs once, before the servers. */
function pullService(options: TemplateOptions): string {
  return `  pull:
    <<: *shimmy
    restart: "no"
    healthcheck: { disable: true }
    # Taken from .env if it is there: for gated repositories.
    environment: [HF_TOKEN]
    volumes: ["models:/models"]
    entrypoint: ["/bin/sh", "-euc"]
    command:
      - |
${indented(pullLines(options), 8)}
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, replicas, models, version, memoryReason } = options;
  const ports = replicas === 1 ? `port ${port}` : `ports ${port} to ${port + replicas - 1}`;
  return `# ${name}: Shimmy in containers

\`\`\`sh
printf 'SHIMMY_API_KEY=%s\\n' ${NEW_KEY} > .env && chmod 600 .env
docker compose up --build --detach --wait
. ./.env && curl http://127.0.0.1:${port}/v1/models -H "Authorization: Bearer $SHIMMY_API_KEY"
\`\`\`

${replicas === 1 ? "One server listens" : `${replicas} servers listen`} on ${ports} of this machine only. \`.env\` holds the key and stays out of the image; keep it out of git (\`echo .env >> .gitignore\`).

- **The package.** The image installs \`shimmy@${version}\` from the registry that npm is set to, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies in this folder.
- **Models.** ${models.length > 0 ? `The service \`pull\` fetches ${listed({ models: ofHub(options) })} into the volume \`models\` and compares every byte with its digest before a server starts.${notOfHub(options, "the volume")}` : "The embedded shimmy-tiny answers."} Another one: \`docker compose exec shimmy-1 shimmy pull owner/repo:Q4_K_M\`; a running server sees it at once.
- **Limits.** \`deploy.resources\` in compose.yaml; ${memoryReason} Shimmy reads the container's own limit and loads what fits in it.
- **What it may do.** It runs as user 1000 with a read-only root, without capabilities; it writes to /models, /data and a /tmp in memory.
- **Stopping.** \`docker compose stop\` lets running answers finish for up to ${DRAIN_SECONDS} s. Docker's own default of 10 s would cut them.
`;
}
