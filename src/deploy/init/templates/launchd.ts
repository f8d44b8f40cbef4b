/** `shimmy init --template launchd`: an agent of a user's session on macOS; Metal is used by itself there. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { DRAIN_SECONDS, instances, modelVariables, notOfHub, ofHub, refusePrivileged, SETTLE_SECONDS, STOP_SECONDS } from "./common.ts";

export const launchd: Template = {
  name: "launchd",
  summary: "macOS: an agent that starts with your session and is restarted when it fails",
  files: (options) => {
    refusePrivileged(options, "an agent");
    return [
      ...instances(options).map(({ port }) => ({ path: fileName(options, port), text: plist(options, port) })),
      { path: "README-launchd.md", text: readme(options) },
    ];
  },
};

function label({ name, replicas, port: first }: TemplateOptions, port: number): string {
  return `local.${name}${replicas === 1 && port === first ? "" : `.${port}`}`;
}

function fileName(options: TemplateOptions, port: number): string {
  return `${label(options, port)}.plist`;
}

function plist(options: TemplateOptions, port: number): string {
  const variables = {
    PATH: "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin",
    SHIMMY_BIND_ADDRESS: `127.0.0.1:${port}`,
    SHIMMY_DRAIN_TIMEOUT: `${DRAIN_SECONDS}s`,
    SHIMMY_DRAIN_SETTLE: `${SETTLE_SECONDS}s`,
    SHIMMY_MEMORY_BUDGET: `${options.memoryBytes}`,
    ...modelVariables(options),
  };
  const entries = Object.entries(variables).map(([variable, value]) => `    <key>${variable}</key>\n    <string>${value}</string>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${label(options, port)}</string>
  <!-- By a shell, because launchd knows no home folder in the paths of its logs. -->
  <key>ProgramArguments</key>
  <array>
    <string>/bin/sh</string>
    <string>-c</string>
    <string>exec shimmy serve &gt;&gt; "$HOME/Library/Logs/${label(options, port)}.log" 2&gt;&amp;1</string>
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${entries.join("\n")}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <!-- After a failure, not after an end in order. -->
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <!-- Seconds from SIGTERM to SIGKILL: running answers finish. -->
  <key>ExitTimeOut</key>
  <integer>${STOP_SECONDS}</integer>
  <!-- People wait for it: it is not throttled as work in the background is. -->
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>SoftResourceLimits</key>
  <dict>
    <key>NumberOfFiles</key>
    <integer>4096</integer>
  </dict>
</dict>
</plist>
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, version, memoryReason } = options;
  const first = label(options, port);
  return `# ${name}: Shimmy as an agent of macOS

\`\`\`sh
npm install --global shimmy@${version}
${ofHub(options)
  .map((model) => `shimmy pull ${model}\n`)
  .join("")}plutil -lint local.${name}*.plist
cp local.${name}*.plist ~/Library/LaunchAgents/
for file in ~/Library/LaunchAgents/local.${name}*.plist; do launchctl bootstrap "gui/$(id -u)" "$file"; done
curl http://127.0.0.1:${port}/health
\`\`\`

- **Stop**: \`launchctl bootout gui/$(id -u)/${first}\`; answers finish for up to ${DRAIN_SECONDS} s. **Restart**: \`launchctl kickstart -k gui/$(id -u)/${first}\`.
- **Log**: \`tail -f ~/Library/Logs/${first}.log\`
- **Memory.** launchd bounds none, so the file sets SHIMMY_MEMORY_BUDGET. ${memoryReason}
- It listens on this machine only, as your user, and uses Metal.${notOfHub(options, "a folder that `shimmy list` reads")} Node is looked for in Homebrew's folders and /usr/local/bin; with a version manager, put its folder into PATH in the file.
`;
}
