/** /v1/batches as OpenAI has it. With API keys each caller sees its own batches only. The work is done by batches/. */
import { ShimmyError } from "../../contract/errors.ts";
import { batchBodySchema, batchQuery, batchSchema, decodeBatch, encodeBatch, encodeBatches } from "../../protocols/openai/batches.ts";
import { pageAnswer } from "../../protocols/openai/page.ts";
import type { ApiRoute } from "./route.ts";

const TAG = "Files and batches";

export const BATCH_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/batches",
    doc: { summary: "Answer all requests of a file, beside the others", tag: TAG, body: batchBodySchema, answer: batchSchema },
    handle: async ({ jobs, state }, call) => {
      if (state() === "draining") throw new ShimmyError("shutting_down");
      const wish = decodeBatch(await call.json());
      const { caller, strict } = call;
      return Response.json(encodeBatch(await (await jobs.batches()).create(wish, { caller, strict })));
    },
  },
  {
    method: "GET",
    path: "/v1/batches",
    doc: { summary: "List the batches", tag: TAG, query: batchQuery, answer: pageAnswer(batchSchema) },
    handle: async ({ jobs }, { query, caller }) => Response.json(encodeBatches(await (await jobs.batches()).list(caller), query)),
  },
  {
    method: "GET",
    path: "/v1/batches/:id",
    doc: { summary: "How far a batch is", tag: TAG, answer: batchSchema },
    handle: async ({ jobs }, { params, caller }) => Response.json(encodeBatch(await (await jobs.batches()).get(params.id ?? "", caller))),
  },
  {
    method: "POST",
    path: "/v1/batches/:id/cancel",
    doc: { summary: "End a batch; what is answered so far stays", tag: TAG, answer: batchSchema },
    handle: async ({ jobs }, { params, caller }) =>
      Response.json(encodeBatch(await (await jobs.batches()).cancel(params.id ?? "", caller))),
  },
];
