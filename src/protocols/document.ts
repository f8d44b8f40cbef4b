/**
 * What an endpoint says of itself for /openapi.json: beside its decoder, in the same zod schemas that judge its requests. Written by the
 * rooms of the dialects and the routes of server/api/, read by server/openapi/. Data; nothing is decided by it.
 */
import type * as z from "zod/mini";

type Schema = z.core.$ZodType;

export interface EndpointDoc {
  /** A line for people. */
  readonly summary: string;
  /** The part of the document it stands in: "OpenAI", "Models" … */
  readonly tag: string;
  /** The JSON body. */
  readonly body?: Schema;
  /** False: it may be left out. */
  readonly bodyRequired?: boolean;
  /** A body that is answered by Shimmy Tiny. */
  readonly example?: unknown;
  /** A body that is no JSON: its media type. */
  readonly bodyType?: "multipart/form-data";
  readonly query?: Readonly<Record<string, Schema>>;
  /** The JSON of an answer that went well. Absent: any JSON. */
  readonly answer?: Schema;
  /** False: it is always refused. */
  readonly served?: false;
  /** Its status; 200. */
  readonly status?: number;
  /** Besides JSON, or instead of it. */
  readonly alsoAnswers?: "text/event-stream" | "application/x-ndjson";
  /** What a good answer is, if never JSON. */
  readonly answerType?: string;
  /** The JSON of an answer that went wrong in the route itself, where it is not the usual one: the guards before it have that always. */
  readonly failure?: Schema;
}

const shown = new WeakMap<Schema, Schema>();

/** `schema` judges, `as` is shown: for what is checked piece by piece, so that a body of megabytes ends at its first fault. */
export function documentedAs<S extends Schema>(schema: S, as: Schema): S {
  shown.set(schema, as);
  return schema;
}

/** What is shown in place of a schema. */
export function documentOf(schema: Schema): Schema | undefined {
  return shown.get(schema);
}
