/** `shimmy init --template fastify`: the same small chat application with Fastify. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { applicationPort, applicationReadme, chatModule, packageJson } from "./application.ts";
import { chatPage } from "./chat-page.ts";

export const fastify: Template = {
  name: "fastify",
  summary: "a chat application with Fastify 5, streamed to the browser",
  files: (options) => [
    { path: "package.json", text: packageJson(options, { "@fastify/static": "^8.0.0", fastify: "^5.0.0" }) },
    { path: "server.js", text: server(options) },
    { path: "chat.js", text: chatModule(options) },
    { path: "public/index.html", text: chatPage(options.name) },
    { path: "README-fastify.md", text: applicationReadme(options, "Fastify", "npm install", "npm start") },
  ],
};

function server(options: TemplateOptions): string {
  return `import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import files from "@fastify/static";
import Fastify from "fastify";
import { begin, failureOf, isConversation } from "./chat.js";

const app = Fastify({ logger: true, bodyLimit: 256 * 1024 });
await app.register(files, { root: fileURLToPath(new URL("public", import.meta.url)) });

app.get("/healthz", async () => ({ status: "ok" }));

app.post("/api/chat", async (request, reply) => {
  const messages = request.body?.messages;
  if (!isConversation(messages)) return reply.code(400).send({ error: "messages must be turns of user and assistant" });
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  try {
    const pieces = await begin(messages, gone.signal);
    reply.header("cache-control", "no-store").header("x-content-type-options", "nosniff").type("text/plain; charset=utf-8");
    return reply.send(Readable.from(pieces));
  } catch (error) {
    if (gone.signal.aborted) return reply.hijack();
    request.log.error(error);
    const { status, ...body } = failureOf(error);
    return reply.code(status).send(body);
  }
});

// What the parsers of Fastify refuse, in the words of the other failures.
app.setErrorHandler((error, request, reply) => {
  const status = error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500;
  if (status === 500) request.log.error(error);
  return reply.code(status).send({ error: status === 500 ? "Internal error" : error.message });
});

const url = await app.listen({ port: Number(process.env.PORT ?? ${applicationPort(options)}), host: process.env.HOST ?? "127.0.0.1" });
console.log(\`listening on \${url}\`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => app.close());
`;
}
