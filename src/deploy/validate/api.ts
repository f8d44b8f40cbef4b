/** The API as OpenAI's clients use it: models, chat whole and streamed, completions, embeddings, errors. Called by checks.ts. */
import { type Check, type Finding, fail, pass, unmeasured } from "../check.ts";
import { milliseconds } from "../figures.ts";
import { askModel, streamOfModel } from "./questions.ts";
import {
  chatProblem,
  completionProblem,
  embeddingProblem,
  errorProblem,
  listed,
  listProblem,
  messageOf,
  readChatStream,
  record,
} from "./shapes.ts";
import { asked, refusal } from "./silence.ts";
import type { Answer, Model, Server, Subject } from "./subject.ts";

const LIMIT = "OpenAI's shape";
const REPORT = "Look into the server's log; if the model is not at fault, report it.";

export const QUESTION = { messages: [{ role: "user", content: "Say hello." }], max_tokens: 16, temperature: 0 };

export function apiChecks(group: string, subject: Subject): Check[] {
  const check = (name: string, run: (server: Server) => Promise<Finding>): Check => ({
    group,
    name: `API: ${name}`,
    run: () => asked(subject, run),
  });
  const withModel = (name: string, run: (server: Server, model: Model) => Promise<Finding>) =>
    check(name, async (server) => {
      const model = await textModel(subject);
      return typeof model === "string" ? unmeasured(model) : run(server, model);
    });
  return [
    check("models", async (server) =>
      judge(await server.ask("/v1/models"), listProblem, ({ json }) => `${listed(record(json)?.data).length} listed`),
    ),
    withModel("chat", async (server, { id }) =>
      judge(await askModel(server, "/v1/chat/completions", { ...QUESTION, model: id }), chatProblem),
    ),
    withModel("chat, streamed", streamed),
    withModel("completions", async (server, { id }) =>
      judge(
        await askModel(server, "/v1/completions", { model: id, prompt: "Once upon a time", max_tokens: 8, temperature: 0 }),
        completionProblem,
      ),
    ),
    check("embeddings", async (server) => {
      const model = (await subject.models()).models.find(({ embeds }) => embeds);
      if (!model)
        return unmeasured("no model here makes vectors", {
          limit: LIMIT,
          advice: "Where you want vectors, name the folder of an embedding model.",
          command: "shimmy validate --model-dirs FOLDER",
        });
      return judge(await askModel(server, "/v1/embeddings", { model: model.id, input: "hello" }), embeddingProblem);
    }),
    check("errors", errors),
  ];
}

/** @returns a text: why no model can be asked for one. */
export async function textModel(subject: Subject): Promise<Model | string> {
  const model = await subject.chosen();
  if (!model) return "there is no model to ask";
  return model.generates ? model : `${model.id} generates no text`;
}

/** A good answer of the right shape. */
export function judge(
  answer: Answer,
  problemOf: (json: unknown) => string | undefined,
  measured = ({ ms }: Answer) => `answered in ${milliseconds(ms)}`,
): Finding {
  if (answer.status !== 200) {
    return { ...refusal(answer.status, messageOf(answer.json) ?? answer.text.slice(0, 200)), limit: LIMIT };
  }
  const problem = problemOf(answer.json);
  return problem === undefined ? pass(measured(answer), { limit: LIMIT }) : fail(problem, REPORT, { limit: LIMIT });
}

async function streamed(server: Server, { id }: Model): Promise<Finding> {
  let body = "";
  for await (const { text } of streamOfModel(server, "/v1/chat/completions", { ...QUESTION, model: id })) body += text;
  const { chunks, problem } = readChatStream(body);
  return problem === undefined ? pass(`${chunks} chunks`, { limit: LIMIT }) : fail(problem, REPORT, { limit: LIMIT });
}

/** What does not exist and what is no JSON are refused by status and in OpenAI's words. */
async function errors(server: Server): Promise<Finding> {
  const tries = [
    { what: "an unknown route", expected: 404, answer: await server.ask("/v1/no-such-route") },
    { what: "no JSON", expected: 400, answer: await server.ask("/v1/chat/completions", { method: "POST", body: "{" }) },
    { what: "a request without messages", expected: 400, answer: await server.ask("/v1/chat/completions", { method: "POST", body: {} }) },
  ];
  for (const { what, expected, answer } of tries) {
    const problem = answer.status === expected ? errorProblem(answer.json) : `status ${answer.status} instead of ${expected}`;
    if (problem !== undefined) return fail(`${what}: ${problem}`, REPORT, { limit: LIMIT });
  }
  return pass(`${tries.length} refusals, each with its status and message`, { limit: LIMIT });
}
