/** What the applications in JavaScript (express, fastify) share: their package, how they ask Shimmy, their README. */
import type { TemplateOptions } from "../options.ts";
import { listed } from "./common.ts";

/** Where an application listens: beside Shimmy. */
export function applicationPort({ port }: TemplateOptions): number {
  return port === 3000 ? 3001 : 3000;
}

/** The model that is asked for; "default" is whatever the server answers with. */
export function askedModel({ models: [first] }: TemplateOptions): string {
  return first ?? "default";
}

export function packageJson({ name }: TemplateOptions, dependencies: Readonly<Record<string, string>>): string {
  const content = {
    name: `${name}-app`,
    version: "0.1.0",
    private: true,
    type: "module",
    engines: { node: ">=20" },
    scripts: { start: "node server.js" },
    dependencies: { ...dependencies, openai: "^6.0.0" },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** A module of both applications: messages in, pieces of the answer out. */
export function chatModule(options: TemplateOptions): string {
  return `// Asks Shimmy with OpenAI's own client. The key stays on this side; the browser never sees it.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.SHIMMY_URL ?? "http://127.0.0.1:${options.port}/v1",
  apiKey: process.env.SHIMMY_API_KEY ?? "none",
});
const model = process.env.SHIMMY_MODEL ?? "${askedModel(options)}";

/** What the browser may send: turns of a conversation, nothing else of the API. */
export function isConversation(messages) {
  return (
    Array.isArray(messages) &&
    messages.length > 0 &&
    messages.every((turn) => ["user", "assistant"].includes(turn?.role) && typeof turn.content === "string")
  );
}

/** The answer piece by piece. Aborting the signal ends the work in the engine too. */
export async function* answer(messages, signal) {
  const stream = await client.chat.completions.create({ model, messages, stream: true }, { signal });
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta?.content;
    if (text) yield text;
  }
}

/** The first piece is waited for, so that a failure before it has its own status. */
export async function begin(messages, signal) {
  const pieces = answer(messages, signal);
  const first = await pieces.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* pieces;
  })();
}

/** Status and words for a failed request: what is wrong with the request is told, what is wrong inside is not. */
export function failureOf(error) {
  if (error instanceof OpenAI.APIError && error.status === 429) return { status: 429, error: "Busy, try again in a moment" };
  if (error instanceof OpenAI.APIError && error.status >= 400 && error.status < 500 && ![401, 403].includes(error.status))
    return { status: 400, error: error.message };
  return { status: 502, error: "The model cannot be reached" };
}
`;
}

export function applicationReadme(options: TemplateOptions, title: string, install: string, start: string): string {
  const { name, port, models } = options;
  const own = applicationPort(options);
  return `# ${name}: a chat with ${title} and Shimmy

\`\`\`sh
npx shimmy serve --port ${port} &       # or any server that speaks OpenAI's API
${install}
${start}                            # http://127.0.0.1:${own}
\`\`\`

The page sends its turns to \`POST /api/chat\`; the application asks Shimmy with OpenAI's client and passes each piece of the answer on as it comes, as
plain text. A browser that goes away ends the work in the engine. It asks for ${models.length > 0 ? listed({ ...options, models: models.slice(0, 1) }) : "the server's default model"}.

| variable | default | |
|---|---|---|
| SHIMMY_URL | http://127.0.0.1:${port}/v1 | where Shimmy is |
| SHIMMY_API_KEY | none | its key; it never reaches the browser |
| SHIMMY_MODEL | ${askedModel(options)} | which model answers |
| HOST, PORT | 127.0.0.1, ${own} | where the application listens |

Before it is public it needs your own sign-in and a limit of requests for each user: whoever reaches /api/chat uses your machine.
`;
}
