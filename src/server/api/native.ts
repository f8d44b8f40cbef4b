/**
 * What llama-server's users know around the OpenAI API, by its paths and names (tools/server/README.md of llama.cpp): texts to tokens and
 * back, a conversation to its prompt, how a model is served, what its slots do. The first three load the model; the other two never do.
 */
import * as z from "zod/mini";
import { ShimmyError } from "../../contract/errors.ts";
import type { ResolvedModel } from "../../contract/generation.ts";
import { encodeProperties, encodeSlots, propertiesAnswer, slotsAnswer } from "../../protocols/llamacpp/properties.ts";
import {
  decodeDetokenize,
  decodeTokenize,
  detokenizeAnswer,
  detokenizeSchema,
  encodeTokens,
  tokenizeAnswer,
  tokenizeSchema,
} from "../../protocols/llamacpp/tokens.ts";
import { chatSchema, decodeChat } from "../../protocols/openai/chat/decode.ts";
import { UNNAMED_MODEL } from "../../protocols/openai/request.ts";
import { chooseModel, modelHeaders } from "../choose-model.ts";
import { decodeContext } from "../generate.ts";
import type { Services } from "../services.ts";
import type { ApiCall, ApiRoute } from "./route.ts";

const TAG = "llama-server";
const model = z.string().check(z.describe("Absent: the server's default model."));

export const NATIVE_ROUTES: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/tokenize",
    doc: {
      summary: "A text to its tokens",
      tag: TAG,
      body: tokenizeSchema,
      example: { model: "shimmy-tiny", content: "Hello world!", with_pieces: true },
      answer: tokenizeAnswer,
    },
    handle: (services, call) => tokenize(services, call),
  },
  {
    method: "POST",
    path: "/detokenize",
    doc: {
      summary: "Tokens to their text",
      tag: TAG,
      body: detokenizeSchema,
      example: { model: "shimmy-tiny", tokens: [300, 301] },
      answer: detokenizeAnswer,
    },
    handle: (services, call) => detokenize(services, call),
  },
  {
    method: "POST",
    path: "/apply-template",
    doc: {
      summary: "A conversation to its prompt, as the model's chat template renders it; nothing is generated",
      tag: TAG,
      body: chatSchema,
      example: { model: "shimmy-tiny", messages: [{ role: "user", content: "Hello" }] },
      answer: z.object({ prompt: z.string() }),
    },
    handle: (services, call) => applyTemplate(services, call),
  },
  {
    method: "GET",
    path: "/props",
    doc: { summary: "How a model is served, or would be; it is not loaded for that", tag: TAG, query: { model }, answer: propertiesAnswer },
    handle: (services, call) => props(services, call),
  },
  {
    method: "GET",
    path: "/slots",
    doc: {
      summary: "What the slots of the loaded models do; a model that is not loaded has none",
      tag: TAG,
      query: {
        model: z.string().check(z.describe("Absent: all loaded models.")),
        fail_on_no_slot: z.string().check(z.describe("Anything but empty: 503 if no slot is idle.")),
      },
      answer: slotsAnswer,
    },
    handle: (services, call) => slots(services, call),
  },
];

async function tokenize(services: Services, call: ApiCall): Promise<Response> {
  const asked = decodeTokenize(await call.json());
  const model = await choose(services, call, asked.model);
  const tokens = await services.tokenizer.tokenize(model, asked.text, asked.options, call.signal);
  return answer(model, encodeTokens(asked, tokens));
}

async function detokenize(services: Services, call: ApiCall): Promise<Response> {
  const asked = decodeDetokenize(await call.json());
  const model = await choose(services, call, asked.model);
  return answer(model, { content: await services.tokenizer.detokenize(model, asked.tokens, call.signal) });
}

/** The body is a chat's, all of it, so that what is rendered is what would be asked. */
async function applyTemplate(services: Services, call: ApiCall): Promise<Response> {
  const { request } = decodeChat(await call.json(), decodeContext(services, call.requestId));
  if (request.prompt.kind !== "chat") throw new Error("a chat without a conversation");
  const model = await choose(services, call, request.model);
  return answer(model, { prompt: await services.promptRenderer.renderPrompt(model, request.prompt, call.signal) });
}

async function props(services: Services, call: ApiCall): Promise<Response> {
  const model = await find(services, call, call.query.get("model") || UNNAMED_MODEL);
  const limit = services.config.maxTokensDefault;
  const properties = await services.inspector.properties(model);
  return answer(model, encodeProperties({ ...properties, ...(limit > 0 && { maxTokens: limit }) }, services.version));
}

async function slots(services: Services, call: ApiCall): Promise<Response> {
  const name = call.query.get("model");
  const model = name ? await find(services, call, name) : undefined;
  const all = encodeSlots(await services.inspector.slots(model?.info.id, call.signal));
  if (call.query.get("fail_on_no_slot") && !all.some(({ is_processing }) => !is_processing)) throw new ShimmyError("no_slot");
  return answer(model, all);
}

/** The model that is to do something, which may have to be loaded for it. */
function choose(services: Services, call: ApiCall, name: string): Promise<ResolvedModel> {
  if (services.state() === "draining") throw new ShimmyError("shutting_down");
  return find(services, call, name);
}

async function find(services: Services, { strict, answeredBy }: ApiCall, name: string): Promise<ResolvedModel> {
  const model = await chooseModel(services, name, strict);
  answeredBy(model.info.id);
  return model;
}

function answer(model: ResolvedModel | undefined, body: unknown): Response {
  return Response.json(body, { headers: model ? modelHeaders(model) : {} });
}
