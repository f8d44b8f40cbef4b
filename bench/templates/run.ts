/**
 * Prompts of real chat templates beside llama-server's: `npm run bench:templates -- FOLDER [--show all] [--only NAME] [--answers]`, FOLDER
 * with *.jinja files such as models/templates of llama.cpp's source tree. Each template is given to the reference server with Shimmy Tiny,
 * and its /apply-template is compared with what chat/template.ts renders. With --answers: a table of how their answers are read, and no
 * reference. Nothing of the folder is kept.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ChatTemplate } from "../../src/chat/template.ts";
import { referenceCommand } from "../contestants/commands.ts";
import { ServerProcess } from "../contestants/process.ts";
import { ANSWERS_HEAD, answersOf } from "./answers.ts";
import { CONVERSATIONS, type Conversation, messagesOf } from "./conversations.ts";

const MODEL = resolve("models/shimmy-tiny/shimmy-tiny-q8_0.gguf");

type Outcome = { readonly prompt: string } | { readonly error: string };
type Verdict = "same" | "differs" | "both refuse" | "only ours refuses" | "only theirs refuses";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { show: { type: "string" }, only: { type: "string" }, answers: { type: "boolean" } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("Which folder? See the head of this file.");
const work = await mkdtemp(join(tmpdir(), "shimmy-bench-templates-"));
const counts = new Map<Verdict, number>();
try {
  // The reference sees one folder only.
  await copyFile(MODEL, join(work, "tiny.gguf"));
  if (values.answers) process.stdout.write(`${ANSWERS_HEAD}\n`);
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".jinja")).sort()) {
    if (values.only !== undefined && !file.includes(values.only)) continue;
    const source = await readFile(join(folder, file), "utf8");
    if (values.answers) process.stdout.write(`${answersOf(basename(file, ".jinja"), templateOf(basename(file), source, "<s>", "</s>"))}\n`);
    else await compare(file, source);
  }
  if (!values.answers) process.stdout.write(`\n${[...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ")}\n`);
} finally {
  await rm(work, { recursive: true });
}

async function compare(file: string, source: string): Promise<void> {
  const name = basename(file, ".jinja");
  await writeFile(join(work, file), source);
  const command = await referenceCommand({
    model: join(work, "tiny.gguf"),
    slots: 1,
    context: 512,
    flags: ["--chat-template-file", join(work, file)],
    preload: false,
  });
  let server: ServerProcess | undefined;
  const told: string[] = [];
  try {
    server = await ServerProcess.start(command);
    const { bos_token: bosToken = "", eos_token: eosToken = "" } = (await (await fetch(`${server.url}/props`)).json()) as Record<
      string,
      string
    >;
    const template = templateOf(name, source, bosToken, eosToken);
    for (const conversation of CONVERSATIONS) {
      const [ours, theirs] = [rendered(template, conversation), await asked(server.url, conversation)];
      const verdict = verdictOf(ours, theirs);
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      if (verdict !== "same") told.push(`  ${conversation.name}: ${verdict}${values.show === undefined ? "" : `\n${shown(ours, theirs)}`}`);
    }
  } catch (error) {
    told.push(`  the reference did not start: ${String(error).split("\n").at(-2)?.slice(0, 200)}`);
  } finally {
    await server?.stop();
  }
  process.stdout.write(`${name}: ${told.length === 0 ? `all ${CONVERSATIONS.length} the same` : `\n${told.join("\n")}`}\n`);
}

function templateOf(model: string, source: string, bosToken: string, eosToken: string): ChatTemplate {
  return new ChatTemplate({ source, model, family: "", bosToken, eosToken, controlTokens: [] });
}

function rendered(template: ChatTemplate, conversation: Conversation): Outcome {
  const { tools, templateOptions, reasoning } = conversation;
  try {
    const prompt = {
      kind: "chat",
      messages: messagesOf(conversation),
      ...(tools && { tools }),
      ...(templateOptions && { templateOptions }),
      ...(reasoning && { reasoning }),
    } as const;
    return {
      prompt: template
        .render(prompt)
        .segments.map(({ text }) => text)
        .join(""),
    };
  } catch (error) {
    return { error: String(error) };
  }
}

async function asked(url: string, { messages, tools, templateOptions, reasoning }: Conversation): Promise<Outcome> {
  const options = { ...templateOptions, ...(reasoning && { enable_thinking: reasoning.enabled }) };
  const body = { messages, ...(tools && { tools }), ...(Object.keys(options).length > 0 && { chat_template_kwargs: options }) };
  const response = await fetch(`${url}/apply-template`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { prompt?: string; error?: { message?: string } };
  return answer.prompt === undefined ? { error: answer.error?.message ?? String(response.status) } : { prompt: answer.prompt };
}

function verdictOf(ours: Outcome, theirs: Outcome): Verdict {
  if ("error" in ours) return "error" in theirs ? "both refuse" : "only ours refuses";
  if ("error" in theirs) return "only theirs refuses";
  return ours.prompt === theirs.prompt ? "same" : "differs";
}

/** Both, from a little before the first place where they differ. */
function shown(ours: Outcome, theirs: Outcome): string {
  const [a, b] = [ours, theirs].map((outcome) => ("error" in outcome ? `! ${outcome.error}` : outcome.prompt)) as [string, string];
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const from = Math.max(0, at - 60);
  return `    ours   ${JSON.stringify(a.slice(from, at + 240))}\n    theirs ${JSON.stringify(b.slice(from, at + 240))}`;
}
