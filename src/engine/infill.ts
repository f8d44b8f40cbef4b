/**
 * A prompt to fill in the middle, as tokens. Called by prompt.ts; it must not know sequences or requests. The order is that of llama-server's
 * /infill (format_prompt_infill of its tools/server/server-common.cpp), with two differences: nothing is cut away silently, and BOS comes first
 * also where other files do.
 *
 *   [BOS] [rep]myproject [sep]name 0, text 0, [sep]name 1, text 1 … [sep]filename [pre]prefix [suf]suffix [mid]
 *         └───────────── only where files are given: a repository as Qwen2.5-Coder and StarCoder2 learnt it
 */
import { ShimmyError } from "../contract/errors.ts";
import type { InfillFile, InfillPrompt } from "../contract/generation.ts";
import type { InfillTokens } from "../llama/model.ts";

/** What it needs of a loaded model. */
export interface InfillVocabulary {
  readonly infillTokens: InfillTokens;
  readonly addedBos: number | undefined;
  plainTokens(text: string): number[];
}

/** What llama-server calls the repository, and the file that is edited. */
const REPOSITORY = "myproject";
const EDITED_FILE = "filename";
/** What stands before another file where the vocabulary has no token for it. */
const SNIPPET = "\n\n--- snippet ---\n\n";

type Texts = Omit<InfillPrompt, "kind">;

/** All that will be tokenized of a prompt, but for a few words of our own. */
export function infillTexts({ prefix, suffix, files = [] }: Texts): string[] {
  return [prefix, suffix, ...files.flatMap(({ name, text }) => [name, text])];
}

/** @throws infill_unsupported */
export function infillPrompt(model: InfillVocabulary, { prefix, suffix, files }: Texts): number[] {
  const { prefix: pre, suffix: suf, middle: mid } = required(model.infillTokens);
  const bos = model.addedBos;
  return [
    ...(bos === undefined ? [] : [bos]),
    ...(files ? repository(model, files) : []),
    ...[pre, ...model.plainTokens(prefix)],
    ...[suf, ...model.plainTokens(suffix)],
    mid,
  ];
}

/** Tokens that end what is filled in, beside those that end every answer: the model begins another one. */
export function infillEnds({ infillTokens: { prefix, suffix, middle } }: Pick<InfillVocabulary, "infillTokens">): ReadonlySet<number> {
  return new Set([prefix, suffix, middle].filter((token) => token !== undefined));
}

function required({ prefix, suffix, middle }: InfillTokens): Required<Pick<InfillTokens, "prefix" | "suffix" | "middle">> {
  if (prefix !== undefined && suffix !== undefined && middle !== undefined) return { prefix, suffix, middle };
  const missing = Object.entries({ prefix, suffix, middle }).flatMap(([name, token]) => (token === undefined ? [name] : []));
  throw new ShimmyError("infill_unsupported", { missing });
}

function repository(model: InfillVocabulary, files: readonly InfillFile[]): number[] {
  const { repository, separator } = model.infillTokens;
  const named = (token: number | undefined, name: string) => (token === undefined ? [] : [token, ...model.plainTokens(`${name}\n`)]);
  const before = (name: string) => (separator === undefined ? model.plainTokens(SNIPPET) : named(separator, name));
  return [
    ...named(repository, REPOSITORY),
    ...files.flatMap(({ name, text }) => [...before(name), ...model.plainTokens(text)]),
    ...named(separator, EDITED_FILE),
  ];
}
