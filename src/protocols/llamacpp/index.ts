/** llama-server's own dialect: two endpoints that generate. The server loads this room on the first request. */
import { encodeError, encodeStreamError } from "../openai/errors.ts";
import type { Protocol } from "../protocol.ts";
import { nativeAnswer } from "./answer-schema.ts";
import { completionSchema, decodeCompletion, decodeInfill, infillSchema, type NativeCall } from "./decode.ts";
import { encodeStream, encodeWhole } from "./encode.ts";

const encode = { encodeWhole, encodeStream, encodeError, encodeStreamError };
const doc = { tag: "llama-server", answer: nativeAnswer, alsoAnswers: "text/event-stream" } as const;

/** POST /completion */
export const completion: Protocol<NativeCall> = {
  doc: {
    ...doc,
    summary: "What follows a text, as llama-server answers it",
    body: completionSchema,
    example: { prompt: "Once upon a time", n_predict: 16 },
  },
  decode: decodeCompletion,
  ...encode,
};

/** POST /infill */
export const infill: Protocol<NativeCall> = {
  doc: {
    ...doc,
    summary: "What stands between two texts, by a model that was trained for it",
    body: infillSchema,
    example: { input_prefix: "def add(a, b):\n    return", input_suffix: "\n", n_predict: 16 },
  },
  decode: decodeInfill,
  ...encode,
};
