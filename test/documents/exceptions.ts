/**
 * THE list: command lines of documents that the test does not run as they stand. A line that is not here is run. To add one, write down which
 * (`line`, and `source` if it is only there), why it cannot be run, and a check that can still fail. The first that fits counts; one that
 * fits nothing fails the test. Read by commands.test.ts.
 */
import { type Check, documented, one, ourPackage, parses, pinned, python, repository, script, usage, wrote } from "./checks.ts";

export interface Exception {
  /** Of the source's name: a path, `init --template NAME`, `--help`, `findings`. */
  readonly source?: RegExp;
  readonly line: RegExp;
  readonly because: string;
  readonly check: Check;
}

/** Words that stand for something of the reader's: written so, typed otherwise. The line is run all the same. */
export const PLACEHOLDERS: ReadonlyArray<readonly [written: RegExp, typed: string, because: string]> = [
  [/(?<=grep )"(model-pattern|llama)"/, "shimmy", "the only model of a bare machine"],
  [/-p \$SHIMMY_PID/, "-p $!", "the template sets it in another block, and has ended that server"],
  [/127\.0\.0\.1:8080/, "127.0.0.1:11435", "a balancer answers what an instance does"],
  [/https:\/\/shimmy\.fly\.dev|\$URL(?=\/)/, "http://127.0.0.1:11435", "the instance at the provider"],
  [/\bsmollm2-135m-instruct-q4_1\b|\ball-minilm\b/, "shimmy-tiny", "a model that a bare machine has not"],
  [/(?<=probe )MODEL\b/, "shimmy-tiny", "any model"],
  [/(?<=alias-)KEY\b|(?<=--api-key )KEY\b/, "a-key-of-the-test", "any key"],
  [/(?<=--url )PATH\b|\bPATH(?=\/health)/, "http://127.0.0.1:11435", "a server that runs"],
  [/^mv PATH PATH$/, "touch made && mv made made.old", "a file of the machine that was looked at"],
  [/llama\.cpp\/src\/llama-arch\.cpp/, "/dev/null", "the sources of llama.cpp, 30 MB"],
  [/\bPATH(?= |$)/, "$HOME", "a path of the machine that was looked at"],
];

const hub = "it fetches from the hub; test/pull/ does it with a hub of its own";
const registry = "it fetches from npm's registry";
const whole = "it runs what this test is a part of, for minutes";
const account = "it needs an account at the provider";
const cluster = "it needs a cluster";
const containers = "it needs a container engine";
const bench = "it measures for minutes";
const machine = "it changes the machine, as root";
const balancer = "it listens on a fixed port and stays; test/deploy/balancers.test.ts runs it";

export const EXCEPTIONS: readonly Exception[] = [
  // Balancers
  {
    source: /^docs\/scaling/,
    line: /(^| )nginx -p |^systemctl stop$/,
    because: balancer,
    check: repository("src/deploy/init/templates/nginx.ts"),
  },
  { source: /^docs\/scaling/, line: /^haproxy -D /, because: balancer, check: repository("src/deploy/init/templates/haproxy.ts") },
  { source: /haproxy/, line: /^haproxy |socat stdio shimmy\.sock/, because: balancer, check: wrote("haproxy.cfg") },
  { source: /nginx/, line: /^nginx |^systemctl stop$|^docker compose stop$/, because: balancer, check: wrote("nginx.conf") },

  // Shimmy itself
  { line: /^npm ci && npm (start|test)$/, because: whole, check: script },
  { line: /\brun shimmy-tiny$/, because: "a chat needs a terminal: test/cli/chat.test.ts", check: usage },
  { line: /(^| )shimmy (pull|rm) [\w.-]+\/[\w.-]+(:\w+)?$/, because: hub, check: usage },
  { line: /\bshimmy engine (install|remove) \w+$/, because: `${registry} much; test/hardware/ has a registry of its own`, check: usage },
  { line: /^shimmy verify --write$/, because: "it writes into the folder of models: test/integrity/", check: usage },
  {
    line: /^shimmy alerts silence \w+ --for \w+$/,
    because: "the server of the test has no alerts: test/alerts/restart.test.ts",
    check: usage,
  },
  { line: /^shimmy init( --template( integration)?)?$/, because: "it asks for the rest in a terminal", check: usage },

  { line: /^shimmy bench(?!.* --list)/, because: `${bench}; src/bench/ and its suite do it`, check: usage },

  // npm
  {
    source: /express|fastify/,
    line: /^npm (install|start)$/,
    because: `${registry}; test/deploy/applications.test.ts does it`,
    check: wrote("package.json", "server.js"),
  },
  { line: /^npm install [a-z]+$/, because: registry, check: ourPackage },
  { line: /^npm (ci|install|pack)$|^npm install --include=optional$/, because: registry, check: repository("package.json", "dist/cli.js") },
  { line: /npm install (-g|--global) shimmy(@[\d.]+)?$/, because: "it installs for all users, from npm's registry", check: pinned },
  { line: /^npm view |^npm pack node-llama-cpp@/, because: registry, check: pinned },

  // Working on the repository
  { line: /^npm run (check|docs|test:node24|build)$/, because: whole, check: script },
  { line: /^npx vitest run src$/, because: whole, check: wrote("vitest.config.ts", "src") },
  { line: /^\.ci\/run$/, because: whole, check: wrote(".ci/run") },
  { line: /^npm run bench:\w+$/, because: bench, check: script },
  { line: /^(npm run build && )?npm run bench(:\w+)? -- (?!--help)/, because: bench, check: script },
  { source: /^bench/, line: /reference-server\.sh install$/, because: "it builds llama.cpp, as root", check: wrote("bench/contestants") },
  { source: /^docs\/updating/, line: /^(tar|git|gcc) /, because: "it needs the sources of llama.cpp, 30 MB", check: parses },
  { source: /^models/, line: /^python3 -m venv|^pip install/, because: "it installs JAX", check: wrote("models/shimmy-tiny/train.py") },
  { source: /^models/, line: /^python /, because: "it trains for hours and needs JAX", check: python },
  { line: /^llama-server -m/, because: "it is not part of Shimmy", check: wrote("models/shimmy-tiny/shimmy-tiny-q8_0.gguf") },

  // What findings name
  { source: /^docs\/decisions/, line: /^sudo chown -R \$USER \/$/, because: "it is told as what was wrong once", check: parses },
  {
    source: /^findings/,
    line: /--model-dirs FOLDER$/,
    because: "it needs a folder with an embedding model: test/deploy/validate.test.ts",
    check: usage,
  },
  { source: /^findings/, line: /^openssl s_client /, because: "the server of the test speaks no TLS", check: parses },
  {
    source: /^findings/,
    line: /^(NODE_EXTRA_CA_CERTS|SHIMMY_API_KEY)=\S+ shimmy validate --url PATH$/,
    because: "it validates for seconds, as the line without the variable does",
    check: usage,
  },
  { source: /^findings/, line: /^nvm install \d+$/, because: "nvm may not be here", check: one(/ (2[2-9]|[3-9]\d)$/) },
  { source: /^findings/, line: /^sudo (usermod|timedatectl|chown|mount) /, because: machine, check: parses },
  { source: /^findings/, line: /^kill -CONT /, because: "no engine is stopped here", check: parses },
  { source: /^findings/, line: /^sudo apt-get install [\w-]+$/, because: machine, check: documented },

  // What templates write
  { line: /^docker compose /, because: containers, check: wrote("compose.yaml", "Dockerfile") },
  { line: /^docker build /, because: containers, check: wrote("Dockerfile") },
  { line: /^kubectl apply -k kubernetes\/scaling$/, because: cluster, check: wrote("kubernetes/scaling/kustomization.yaml") },
  { line: /^kubectl /, because: cluster, check: wrote("kubernetes/base/kustomization.yaml", "kubernetes/base/statefulset.yaml") },
  { line: /^helm upgrade /, because: cluster, check: wrote("kubernetes/scaling/prometheus-adapter.values.yaml") },
  { line: /^fly /, because: account, check: wrote("fly.toml", "start.sh") },
  { line: /^railway /, because: account, check: wrote(".railway/railway.ts", "start.sh") },
  { line: /^sam /, because: account, check: wrote("template.yaml", "Dockerfile.lambda") },
  {
    line: /^sudo |\| sudo |^systemctl |^systemd-analyze |^journalctl /,
    because: machine,
    check: wrote("shimmy@.service", "shimmy.target"),
  },
  { line: /\b(launchctl|plutil|LaunchAgents)\b|^tail -f ~\/Library/, because: "only macOS has it", check: wrote("local.shimmy.plist") },
  {
    source: /fastapi/,
    line: /^python3 -m venv|^\.venv\/bin\/python /,
    because: "it fetches from PyPI",
    check: wrote("requirements.txt", "main.py"),
  },
];
