/** The formats that are known. The first that fits a template is its; the more special ones stand first, the last one fits everything. */
import type { AnswerFormat, CallFormat } from "../format.ts";
import { generic } from "./generic.ts";
import { hermes } from "./hermes.ts";
import { llama3 } from "./llama3.ts";
import { mistralListed, mistralNamed, mistralWithIds } from "./mistral.ts";
import { MORE_FORMATS } from "./more.ts";

export const FORMATS: readonly AnswerFormat[] = [...MORE_FORMATS, mistralListed, mistralWithIds, mistralNamed, hermes, llama3, generic];

/** @param template the text of a chat template; "" for a model without one */
export function formatOf(template: string): AnswerFormat {
  return FORMATS.find((format) => format.fits(template)) ?? generic;
}

/** One of `FORMATS`, by its name. */
export function formatNamed(name: string): AnswerFormat {
  return FORMATS.find((format) => format.name === name) ?? generic;
}

/** How a model of this format calls tools. */
export function callsOf(format: AnswerFormat): CallFormat {
  return format.calls ?? generic.calls!;
}
