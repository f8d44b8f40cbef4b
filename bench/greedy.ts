/**
 * Greedy answers of ours and of llama-server to ten prompts, token for token. `npm run bench:greedy -- [--models q8_0,q4_1,f16]`.
 * Where they part, it tells how near the two candidates were on both sides: the servers are built from different versions of
 * llama.cpp with different kernels, so a tie within rounding may fall either way, and only a wide gap would be a fault of ours.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { oursCommand, referenceCommand } from "./contestants/commands.ts";
import { ServerProcess } from "./contestants/process.ts";
import { resolveModel } from "./models.ts";

const PROMPTS = [
  "Why is the sky blue?",
  "Write a haiku about the sea.",
  "What is 12 times 12?",
  "Explain photosynthesis to a child.",
  "List three fruits.",
  "Who wrote Hamlet?",
  "Translate 'good morning' to French.",
  "Tell me a joke.",
  "What is gravity?",
  "Describe a llama in one sentence.",
];
const TOKENS = 48;

interface Token {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: ReadonlyArray<{ readonly token: string; readonly logprob: number }>;
}

async function answer(url: string, content: string): Promise<Token[]> {
  const body = {
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: TOKENS,
    logprobs: true,
    top_logprobs: 2,
    // llama-server would otherwise compute the second prompt in other batches than the first.
    cache_prompt: false,
  };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  const { choices } = (await response.json()) as { choices: ReadonlyArray<{ logprobs: { content: Token[] } }> };
  return choices[0]!.logprobs.content;
}

/** How far the second candidate was behind the first, in log probability. */
function gap({ top_logprobs: [first, second] }: Token): string {
  return first && second
    ? `${JSON.stringify(first.token)} before ${JSON.stringify(second.token)} by ${(first.logprob - second.logprob).toFixed(3)}`
    : "?";
}

function compare(prompt: string, ours: Token[], reference: Token[]): boolean {
  const at = ours.findIndex(({ token }, i) => token !== reference[i]?.token);
  if (at < 0 && ours.length <= reference.length) {
    console.log(`  equal   ${ours.length} tokens  ${prompt}`);
    return true;
  }
  const theirs = reference[at];
  console.log(`  parts at ${at}  ${prompt}\n      ours: ${gap(ours[at]!)}\n      reference: ${theirs ? gap(theirs) : "ended"}`);
  return false;
}

const { values } = parseArgs({ options: { models: { type: "string", default: "q8_0,q4_1" } } });
for (const name of values.models.split(",")) {
  const model = resolveModel(name, process.cwd(), dirname(fileURLToPath(import.meta.url)));
  const serve = { model: model.path, slots: 1, context: 2048, flags: [], preload: true };
  const ours = await ServerProcess.start(oursCommand("ours-separate", serve));
  const reference = await ServerProcess.start(await referenceCommand(serve));
  console.log(`${model.name}:`);
  let equal = 0;
  for (const prompt of PROMPTS) if (compare(prompt, await answer(ours.url, prompt), await answer(reference.url, prompt))) equal++;
  console.log(`  ${equal} of ${PROMPTS.length} equal`);
  await ours.stop();
  await reference.stop();
}
