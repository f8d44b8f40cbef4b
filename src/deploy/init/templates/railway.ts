/** `shimmy init --template railway`: a service with a volume on Railway. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { DRAIN_SECONDS, listed, mebibytes, NEW_KEY, notOfHub, ofHub, refusePrivileged, STOP_SECONDS } from "./common.ts";
import { DOCKERIGNORE } from "./docker.ts";
import { hostedDockerfile, startScript } from "./hosted.ts";

export const railway: Template = {
  name: "railway",
  summary: "Railway: .railway/railway.ts with health check, drain and limits, models in a volume",
  files: (options) => {
    refusePrivileged(options, "start.sh");
    return [
      { path: ".railway/railway.ts", text: configuration(options) },
      // Its private network is IPv6; "::" takes IPv4 too.
      { path: "Dockerfile.railway", text: hostedDockerfile(options, "[::]") },
      { path: "start.sh", text: startScript(options), mode: 0o755 },
      { path: ".dockerignore", text: DOCKERIGNORE },
      { path: "README-railway.md", text: readme(options) },
    ];
  },
};

/**
 * Infrastructure as Code, since services made today take no railway.json and older ones none after 2026-12-01 (docs.railway.com,
 * "Config as Code"). By the types of `railway/iac` 3.11.0, which the CLI imports from beside the file (railwayapp/cli, src/iac/eval.rs). A service with a volume has one replica there.
 */
function configuration(options: TemplateOptions): string {
  const { name, port, cpus, memoryBytes } = options;
  return `// \`railway config plan\` shows what this would change, \`railway config apply\` does it.
import { defineRailway, preserve, project, service, volume } from "railway/iac";

export default defineRailway(() => {
  const data = volume("${name}-data");
  const server = service("${name}", {
    build: { builder: "DOCKERFILE", dockerfilePath: "Dockerfile.railway" },
    deploy: {
      healthcheckPath: "/health",
      // The first start pulls the models.
      healthcheckTimeout: 600,
      restartPolicyType: "ON_FAILURE",
      restartPolicyMaxRetries: 10,
      numReplicas: 1,
      overlapSeconds: 0,
      // Running answers finish.
      drainingSeconds: ${STOP_SECONDS},
      requiredMountPath: "/data",
      limitOverride: { containers: { cpu: ${cpus}, memoryBytes: ${memoryBytes} } },
    },
    // PORT tells Railway where /health is asked. The key is what \`railway variables\` has set.
    env: { PORT: "${port}", SHIMMY_API_KEY: preserve() },
    volumeMounts: { "/data": data },
  });
  return project("${name}", { resources: [server, data] });
});
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, models, memoryReason, replicas, version } = options;
  return `# ${name}: Shimmy on Railway

\`\`\`sh
railway init --name ${name}
railway add --service ${name}
railway variables --set SHIMMY_API_KEY=${NEW_KEY}      # note it first if you want to use it
npm install --prefix .railway railway@3   # what .railway/railway.ts imports
echo .railway/node_modules >> .gitignore  # \`railway up\` sends what git would keep
railway config apply                      # shows the plan of .railway/railway.ts, and asks
railway up
railway domain --port ${port}
\`\`\`

- **The settings** are in .railway/railway.ts: volume, health check, drain, limits, and PORT, where Railway asks /health; Shimmy listens on ${port} in the image.
  Railway's own CLI reads it, from 5.42.1 on, by a Node of 22.6 or later.
  A service that you made with an older railway.json is moved by \`railway config migrate\`; Railway reads no such file after 2026-12-01.
- **Models.** ${models.length > 0 ? `The first start pulls ${listed({ models: ofHub(options) })} into the volume and verifies them; later starts find them there. What takes longer than the health check's 600 s needs a larger healthcheckTimeout.${notOfHub(options, "/data/models")}` : "The embedded shimmy-tiny answers."}
- **Limits.** ${memoryReason} ${mebibytes(options)} MiB and ${options.cpus} processors, as far as your plan has them.
- **Replicas.** A service with a volume has one.${replicas > 1 ? ` For ${replicas}, make as many services of this folder and put one with \`shimmy init --template haproxy\` before them.` : ""}
- **Stopping.** Running answers finish for up to ${DRAIN_SECONDS} s.
- **User.** start.sh gives the volume to the user \`node\` and drops root for good before it pulls or serves.
- **The package.** \`shimmy@${version}\` of npm's registry, or the \`shimmy-*.tgz\` of \`npm pack\` if it lies here.
`;
}
