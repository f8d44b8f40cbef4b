/** What the templates of hosters that mount volumes as root share (railway, fly): an image that gives the volume to the user, then serves as it. */
import type { TemplateOptions } from "../options.ts";
import { DRAIN_SECONDS, modelVariables, pullLines } from "./common.ts";
import { installStep } from "./docker.ts";

/** One volume for models and state. @param host where the hoster's proxy comes from: "0.0.0.0" or "[::]" */
export function hostedDockerfile(options: TemplateOptions, host: string): string {
  const variables = Object.entries(modelVariables(options)).map(([name, value]) => ` \\\n    ${name}=${value}`);
  return `# The engines are built against glibc, so it is Debian and not Alpine.
FROM node:24-bookworm-slim

${installStep(options)}

ENV NODE_ENV=production \\
    HOME=/tmp \\
    XDG_CACHE_HOME=/tmp/cache \\
    XDG_DATA_HOME=/data \\
    SHIMMY_PULL_DIR=/data/models \\
    SHIMMY_MODEL_STORES=off \\
    SHIMMY_BIND_ADDRESS=${host}:${options.port} \\
    SHIMMY_DRAIN_TIMEOUT=${DRAIN_SECONDS}s \\
    SHIMMY_LOG_FORMAT=json${variables.join("")}
COPY --chmod=755 start.sh /usr/local/bin/start.sh
EXPOSE ${options.port}
CMD ["start.sh"]
`;
}

export function startScript(options: TemplateOptions): string {
  return `#!/bin/sh
# The volume comes as root's: it is given to the user "node", who does all the rest.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p /data/models
  chown node:node /data /data/models
  exec setpriv --reuid=node --regid=node --init-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$0"
fi
cd /data
${(options.models.length > 0 ? pullLines(options) : []).map((line) => `${line}\n`).join("")}exec shimmy serve
`;
}
