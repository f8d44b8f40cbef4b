/** `shimmy init --template express`: a small chat application with Express that streams to the browser. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { applicationPort, applicationReadme, chatModule, packageJson } from "./application.ts";
import { chatPage } from "./chat-page.ts";

export const express: Template = {
  name: "express",
  aliases: ["expressjs"],
  summary: "a chat application with Express 5, streamed to the browser",
  files: (options) => [
    { path: "package.json", text: packageJson(options, { express: "^5.0.0" }) },
    { path: "server.js", text: server(options) },
    { path: "chat.js", text: chatModule(options) },
    { path: "public/index.html", text: chatPage(options.name) },
    { path: "README-express.md", text: applicationReadme(options, "Express", "npm install", "npm start") },
  ],
};

function server(options: TemplateOptions): string {
  return `import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import express from "express";
import { begin, failureOf, isConversation } from "./chat.js";

const app = express();
app.disable("x-powered-by");
app.use(express.static(fileURLToPath(new URL("public", import.meta.url))));
app.use(express.json({ limit: "256kb" }));

app.get("/healthz", (_request, response) => response.json({ status: "ok" }));

app.post("/api/chat", async (request, response) => {
  const messages = request.body?.messages;
  if (!isConversation(messages)) return response.status(400).json({ error: "messages must be turns of user and assistant" });
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const pieces = await begin(messages, gone.signal);
    response.set({ "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "x-content-type-options": "nosniff" });
    await pipeline(Readable.from(pieces), response);
  } catch (error) {
    if (gone.signal.aborted) return;
    console.error(error);
    if (response.headersSent) return response.destroy();
    const { status, ...body } = failureOf(error);
    response.status(status).json(body);
  }
});

// What the parsers of Express refuse.
app.use((error, _request, response, next) => {
  if (response.headersSent) return next(error);
  const status = error.status >= 400 && error.status < 500 ? error.status : 500;
  response.status(status).json({ error: status === 500 ? "Internal error" : error.message });
});

const listening = app.listen(Number(process.env.PORT ?? ${applicationPort(options)}), process.env.HOST ?? "127.0.0.1", (error) => {
  if (error) throw error;
  const { address, port } = listening.address();
  console.log(\`listening on http://\${address}:\${port}\`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => listening.close());
`;
}
