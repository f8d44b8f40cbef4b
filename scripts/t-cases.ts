/**
 * docs/t-cases.md from the names of the tests: each promise on the protocol (T-case) and the tests that hold it. Run by docs.ts; read by
 * test/t-cases.test.ts, which fails where a case has no test. A test belongs to the cases that its name begins with: "T2, T11 a streamed …".
 */
import { readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { plain, testNames } from "./named-tests.ts";

interface Section {
  readonly title: string;
  readonly cases: Readonly<Record<string, string>>;
}

/** What users of local servers reported as broken elsewhere. `T*` are numbers that stay. */
export const SECTIONS: readonly Section[] = [
  {
    title: "Protocol",
    cases: {
      T1: "without `stream` the answer is one JSON object",
      T2: "a stream has one `data: ` an event and ends with `[DONE]`; Responses has no such end",
      T3: "first chunk with the role, same id, created and model on all, no `null` roles",
      T4: "one last chunk a choice, with an empty delta and the finish reason",
      T5: "unknown fields are ignored, `null` is absent",
      T6: "what cannot be answered has its status and the error object of OpenAI",
      T7: "errors before the first token have their status; afterwards they are the last event",
      T8: "CORS, private network, foreign hosts, and curl without an origin",
      T9: "`/`, `/v1` or not, trailing slashes, queries",
    },
  },
  {
    title: "Text",
    cases: {
      T10: "characters that lie across tokens come whole, or not at all",
      T11: "a stream, joined, is the whole answer",
      T12: "`include_usage` and `continuous_usage_stats`",
      T13: "usage counts what was computed, template and thoughts included",
      T14: "a stop string never leaks, nor does its beginning",
      T15: "what was held back for a stop string that does not come is sent",
      T16: "several stop strings repeat and lose nothing",
      T17: "stop as string, array, null; in thoughts, calls and JSON",
      T18: "all the names of the limit, to the token",
      T19: "control tokens are in no text, and a user's text spells none",
      T20: "white space at the beginning is kept, streamed or not",
    },
  },
  {
    title: "Sampling",
    cases: {
      T21: "temperature 0 and seeds repeat; other seeds differ",
      T22: "`n` choices, each with its index",
      T23: "each sampling parameter does what it says",
      T24: "the sampling that the model's author recommends",
      T25: "log probabilities of chats",
      T26: "log probabilities of completions, `echo`",
      T27: "log probabilities of responses",
    },
  },
  {
    title: "Messages and templates",
    cases: {
      T28: "content that is null, missing or empty",
      T29: "content as an array of parts",
      T30: "arguments of past calls in any form",
      T31: "developer, system in the middle, equal roles in a row, results without an id",
      T32: "one BOS where it belongs",
      T33: "a last message of the assistant is continued",
      T34: "a template that refuses is a 400 with its line",
      T35: "`chat_template_kwargs`; tools are rendered the same each time",
    },
  },
  {
    title: "Tools",
    cases: {
      T36: "the deltas of a streamed call",
      T37: "`tool_calls` as the reason only where there is a call",
      T38: "a call that was cut is never shown as whole",
      T39: "a call without arguments has `{}`",
      T40: "several calls, or at most one",
      T41: "text beside calls",
      T42: "`tool_choice`: none, required, named, unknown",
      T43: "what looks like a call stays text where there are no tools",
      T44: "any text survives in arguments",
      T45: "Ollama's own shape of calls",
    },
  },
  {
    title: "Structured output",
    cases: {
      T46: "`json_object` is JSON",
      T47: "JSON Schema is kept",
      T48: "a schema that cannot be kept is a 400 that names the place",
      T49: "streamed, in Responses, behind a thought, beside tools",
    },
  },
  {
    title: "Thoughts",
    cases: {
      T50: "their marks are never in the content",
      T51: "each switch turns them off, to the token",
      T52: "rounds of tools leak none",
      T53: "they can be sent back as they came",
    },
  },
  {
    title: "Life cycle",
    cases: {
      T54: "who leaves frees its place at once, in every phase",
      T55: "a hundred aborts leak nothing",
      T56: "many clients, and nobody hears another's words",
      T57: "comments keep a stream alive",
      T58: "a cached prefix is never that of another conversation",
      T59: "the edge of the context, to the token",
      T60: "`keep_alive` and `ttl` on every route",
      T61: "one load for many callers; swapping under load",
      T62: "broken model files are clean errors",
      T63: "`/health` from start to end",
      T64: "SIGTERM lets work finish",
    },
  },
  {
    title: "Anthropic and Responses",
    cases: {
      T65: "Anthropic: token counts agree everywhere",
      T66: "Anthropic: blocks and stop reasons",
      T67: "Anthropic: a prompt that changes only in its billing header is cached",
      T68: "Anthropic: unknown blocks and betas are ignored",
      T69: "the events of a response, in order and numbered",
      T70: "`previous_response_id`, retrieval, deletion",
      T71: "tools of any type, arrays as outputs, items without ids",
    },
  },
  {
    title: "Embeddings",
    cases: {
      T72: "floats and base64 are the same numbers",
      T73: "dimensions, token arrays, order, long and empty inputs",
      T74: "reranking: order, `top_n`, scores",
    },
  },
];

/** Dialects that are not served yet. */
export const NOT_YET: ReadonlySet<string> = new Set(["T45", "T65", "T66", "T67", "T68"]);

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

/** The tests whose names begin with this case, by case. Reads the test files below these folders. */
export function testsByCase(folders: readonly string[]): ReadonlyMap<string, readonly NamedTest[]> {
  const found = new Map<string, NamedTest[]>();
  const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)));
  for (const file of files.filter((path) => path.endsWith(".test.ts")).sort())
    for (const name of testNames(file)) {
      const [cases = ""] = /^T\d+(?:,? T\d+)*/.exec(name) ?? [];
      for (const id of cases.match(/T\d+/g) ?? [])
        found.set(id, [...(found.get(id) ?? []), { file: file.replaceAll(sep, "/"), name: name.slice(cases.length).trim() }]);
    }
  return found;
}

export function tCasesMarkdown(folders: readonly string[] = ["src", "test"]): string {
  const tests = testsByCase(folders);
  const parts = SECTIONS.map(
    ({ title, cases }) =>
      `## ${title}\n\n${Object.entries(cases)
        .map(([id, text]) => entry(id, text, tests.get(id)))
        .join("\n")}`,
  );
  return `# Cases of the protocol, and the tests that hold them

Written by \`npm run docs\` from the names of the tests. Each case is something that users found broken in servers of this kind.

${parts.join("\n\n")}
`;
}

function entry(id: string, text: string, tests: readonly NamedTest[] = []): string {
  const byFile = grouped(tests);
  const lines = [...byFile].map(([file, named]) => `  - \`${file}\`: ${named.map(({ name }) => plain(name)).join("; ")}`);
  const status = tests.length === 0 ? (NOT_YET.has(id) ? " *(this dialect is not served yet)*" : " **(no test)**") : "";
  return [`- **${id}** ${text}${status}`, ...lines].join("\n");
}

function grouped(tests: readonly NamedTest[]): Map<string, NamedTest[]> {
  const files = new Map<string, NamedTest[]>();
  for (const each of tests) files.set(each.file, [...(files.get(each.file) ?? []), each]);
  return files;
}
