/** `shimmy init --template github-actions`: a job that starts Shimmy Tiny and runs tests against it; nothing is downloaded but the package. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { indented, pullLines, refusePrivileged } from "./common.ts";

export const githubActions: Template = {
  name: "github-actions",
  aliases: ["actions", "github"],
  summary: "a workflow that starts Shimmy and runs tests against it, without keys and without cost",
  files: (options) => {
    refusePrivileged(options, "a job");
    return [
      { path: ".github/workflows/shimmy.yaml", text: workflow(options) },
      { path: "test/shimmy.test.mjs", text: TEST },
      { path: "README-github-actions.md", text: readme(options) },
    ];
  },
};

function workflow(options: TemplateOptions): string {
  const { name, port, version, models } = options;
  const pull =
    models.length === 0
      ? ""
      : `
      - uses: actions/cache@v4
        with:
          path: ~/.local/share/shimmy/models
          key: shimmy-models-${models.join("-").replace(/[^\w.-]/g, "-")}
      - name: Pull and verify the models
        run: |
${indented(pullLines(options), 10)}
`;
  return `name: ${name}
on: [push, pull_request]
permissions: { contents: read }

jobs:
  shimmy:
    runs-on: ubuntu-latest
    timeout-minutes: 15
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 20 }
      - name: Install Shimmy
        run: npm install --global --no-audit --no-fund shimmy@${version}
${pull}
      - name: Start Shimmy
        run: |
          shimmy serve --bind 127.0.0.1:${port} --preload default > shimmy.log 2>&1 &
          echo $! > shimmy.pid
          for _ in $(seq 120); do
            curl --silent --fail http://127.0.0.1:${port}/health && exit 0
            kill -0 "$(cat shimmy.pid)" || break
            sleep 0.5
          done
          cat shimmy.log
          exit 1
      # OpenAI's clients read these two. Put your own tests here.
      - name: Test
        run: node --test test/shimmy.test.mjs
        env:
          OPENAI_BASE_URL: http://127.0.0.1:${port}/v1
          OPENAI_API_KEY: none
      - name: Stop Shimmy
        if: always()
        run: |
          kill "$(cat shimmy.pid)" || true
          cat shimmy.log
`;
}

const TEST = `// Runs against a server that listens on OPENAI_BASE_URL. Needs no package.
import assert from "node:assert/strict";
import test from "node:test";

const { OPENAI_BASE_URL, OPENAI_API_KEY } = process.env;

async function ask(body) {
  const response = await fetch(\`\${OPENAI_BASE_URL}/chat/completions\`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: \`Bearer \${OPENAI_API_KEY}\` },
    // The same question has the same answer.
    body: JSON.stringify({ model: "default", temperature: 0, max_tokens: 64, ...body }),
  });
  assert.equal(response.status, 200);
  return response;
}

const messages = [{ role: "user", content: "What is the capital of France?" }];

test("answers, and says how many tokens it took", async () => {
  const { choices, usage } = await (await ask({ messages })).json();
  assert.ok(choices[0].message.content.length > 0);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
});

test("streams", async () => {
  const text = await (await ask({ messages, stream: true })).text();
  assert.match(text, /^data: [^]*data: \\[DONE\\]\\s*$/);
});

test("holds to a schema", async () => {
  const schema = { type: "object", properties: { city: { type: "string", maxLength: 40 } }, required: ["city"], additionalProperties: false };
  const response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema } };
  const { choices } = await (await ask({ messages, response_format, max_tokens: 128 })).json();
  assert.equal(typeof JSON.parse(choices[0].message.content).city, "string");
});
`;

function readme({ name, models, version }: TemplateOptions): string {
  return `# ${name}: tests against Shimmy in GitHub Actions

Commit \`.github/workflows/shimmy.yaml\` and \`test/shimmy.test.mjs\`, and push. The job installs \`shimmy@${version}\`, starts it with ${models.length === 0 ? "the model that comes with the package" : "your models, which are cached between runs,"}
and runs the tests. No key, no account, no cost, and with temperature 0 the same answer each time.

- **Your tests.** OpenAI's clients read \`OPENAI_BASE_URL\` and \`OPENAI_API_KEY\`, which the job sets; put your command into the step \`Test\`.
- **Here.** \`npx shimmy serve &\`, then \`OPENAI_BASE_URL=http://127.0.0.1:11435/v1 OPENAI_API_KEY=none node --test test/shimmy.test.mjs\`.
- **When it fails**, the last step shows the server's log.
`;
}
