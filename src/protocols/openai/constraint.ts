/**
 * What a caller wants the text to look like → a grammar: OpenAI's `response_format`, llama-server's `json_schema` and `grammar`.
 * Called by the decoders of chat/ and completions/.
 */
import type { Constraint } from "../../contract/generation.ts";
import { grammarFault } from "../../grammar/gbnf-check.ts";
import { invalid } from "./validate.ts";

/** vLLM's wishes of the same kind: not served, and never ignored. */
const UNSERVED = ["guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * @param body The body as it came, already known to be an object; `response_format` has been checked to be an object with a type.
 * @throws invalid_value for what cannot be promised: a caller who counts on valid JSON may not get free text with a 200.
 */
export function constraintOf(body: object): Constraint | undefined {
  const fields = body as Fields;
  for (const name of UNSERVED)
    if (isGiven(fields[name])) throw invalid(name, "it is not supported; use response_format, or llama.cpp's json_schema and grammar");
  const given = [formatOf(fields.response_format), schemaOf(fields.json_schema, "json_schema"), grammarOf(fields.grammar)];
  const [wish, second] = given.filter((each) => each !== undefined);
  if (second) throw invalid(second.param, `it cannot be combined with ${wish!.param}`);
  return wish?.constraint;
}

interface Wish {
  readonly param: string;
  readonly constraint: Constraint;
}

const ANY_OBJECT = { type: "object" };

function formatOf(value: unknown): Wish | undefined {
  if (!isGiven(value)) return undefined;
  const format = value as Fields;
  const param = "response_format";
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      // llama-server and llama-cpp-python take a schema here too.
      return schemaOf(format.schema, `${param}.schema`) ?? { param, constraint: { schema: ANY_OBJECT, param } };
    case "json_schema": {
      const wrapped = schemaOf((format.json_schema as Fields | null | undefined)?.schema, `${param}.json_schema.schema`);
      const wish = wrapped ?? schemaOf(format.schema, `${param}.schema`);
      if (!wish) throw invalid(`${param}.json_schema.schema`, "it is required");
      return { ...wish, param };
    }
    default:
      throw invalid(`${param}.type`, "must be 'text', 'json_object' or 'json_schema'");
  }
}

function schemaOf(schema: unknown, param: string): Wish | undefined {
  if (!isGiven(schema)) return undefined;
  return { param, constraint: { schema, param } };
}

function grammarOf(grammar: unknown): Wish | undefined {
  if (!isGiven(grammar)) return undefined;
  const param = "grammar";
  if (typeof grammar !== "string") throw invalid(param, "must be a string: a grammar in GBNF");
  const fault = grammarFault(grammar);
  if (fault !== undefined) throw invalid(param, fault);
  return { param, constraint: { gbnf: grammar } };
}

/** Clients send null or an empty text and mean none. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}
