/** `shimmy init --template railway`: a service with a volume on Railway. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { DRAIN_SECONDS, listed, mebibytes, NEW_KEY, notOfHub, ofHub, refusePrivileged, STOP_SECONDS } from "./common.ts";
import { DOCKERIGNORE } from "./docker.ts";
import { hostedDockerfile, startScript } from "./hosted.ts";

export const railway: Template = {
  name: "railway",
  summary: "Railway: railway.json with health check, drain and limits, models in a volume",
  files: (options) => {
    refusePrivileged(options, "start.sh");
    return [
      { path: "railway.json", text: configuration(options) },
      // Its private network is IPv6; "::" takes IPv4 too.
      { path: "Dockerfile.railway", text: hostedDockerfile(options, "[::]") },
      { path: "start.sh", text: startScript(options), mode: 0o755 },
      { path: ".dockerignore", text: DOCKERIGNORE },
      { path: "README-railway.md", text: readme(options) },
    ];
  },
};

/** By the schema that it names. A service with a volume has one replica there. */
function configuration(options: TemplateOptions): string {
  const content = {
    $schema: "https://railway.com/railway.schema.json",
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile.railway" },
    deploy: {
      healthcheckPath: "/health",
      healthcheckTimeout: 600,
      restartPolicyType: "ON_FAILURE",
      restartPolicyMaxRetries: 10,
      numReplicas: 1,
      overlapSeconds: 0,
      drainingSeconds: STOP_SECONDS,
      requiredMountPath: "/data",
      limitOverride: { containers: { cpu: options.cpus, memoryBytes: options.memoryBytes } },
    },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

function readme(options: TemplateOptions): string {
  const { name, port, models, memoryReason, replicas, version } = options;
  return `# ${name}: Shimmy on Railway

\`\`\`sh
railway init --name ${name}
railway add --service ${name}
railway volume add --mount-path /data
railway variables --set PORT=${port} --set SHIMMY_API_KEY=${NEW_KEY}      # note it first if you want to use it
railway up
railway domain --port ${port}
\`\`\`

- **PORT** tells Railway where /health is asked; Shimmy listens on ${port} in the image.
- **Models.** ${models.length > 0 ? `The first start pulls ${listed({ models: ofHub(options) })} into the volume and verifies them; later starts find them there. What takes longer than the health check's 600 s needs a larger healthcheckTimeout.${notOfHub(options, "/data/models")}` : "The embedded shimmy-tiny answers."}
- **Limits.** ${memoryReason} ${mebibytes(options)} MiB and ${options.cpus} processors, as far as your plan has them.
- **Replicas.** A service with a volume has one.${replicas > 1 ? ` For ${replicas}, make as many services of this folder and put one with \`shimmy init --template haproxy\` before them.` : ""}
- **Stopping.** Running answers finish for up to ${DRAIN_SECONDS} s.
- **User.** start.sh gives the volume to the user \`node\` and drops root for good before it pulls or serves.
- **The package.** \`shimmy@${version}\` of npm's registry, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies here.
`;
}
