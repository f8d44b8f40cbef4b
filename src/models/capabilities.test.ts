/** Over templates with the habits of real ones, and the real files of the repository and beside it. */
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALTERNATING, CHATML, DROPS_SYSTEM, HERMES, SYSTEM_ONLY_FIRST, THINKING } from "../chat/fixtures.ts";
import { capabilitiesOf, type Traits, templateFormatOf } from "./capabilities.ts";
import { digestInName } from "./digest.ts";
import { readModelFile } from "./model-file.ts";

const traits = (changes: Partial<Traits> = {}): Traits => ({
  generative: true,
  embeds: false,
  pooling: 0,
  fillsMiddle: false,
  ranks: false,
  ...changes,
});
const ofTemplate = (chatTemplate: string) => capabilitiesOf(traits({ chatTemplate }));

describe("templates", () => {
  test.each([
    ["CHATML", CHATML, [], "chatml"],
    ["HERMES", HERMES, ["tools"], "chatml"],
    ["ALTERNATING", ALTERNATING, [], "gemma"],
    ["THINKING", THINKING, ["thinking"], "chatml"],
    ["DROPS_SYSTEM", DROPS_SYSTEM, [], "chatml"],
    ["SYSTEM_ONLY_FIRST", SYSTEM_ONLY_FIRST, [], "chatml"],
  ])("%s", (_, template, more, format) => {
    expect(ofTemplate(template)).toEqual(["completion", "chat", ...more]);
    expect(templateFormatOf(template)).toBe(format);
  });

  test.each([
    ["{% if tools is defined and tools %}x{% endif %}", "tools"],
    ["{%- set has = messages and tools -%}", "tools"],
    ["{{ '}}' }}{{ tools | tojson }}", "tools"],
    ["{% if thinking %}x{% endif %}", "thinking"],
    ["{{ reasoning_effort }}", "thinking"],
    ["{{ '[THINK]' }}", "thinking"],
  ])("%s: %s", (template, capability) => {
    expect(ofTemplate(template)).toContain(capability);
  });

  test.each([
    "{{ message.tools }}",
    "{# tools #}",
    "{{ 'tools' }}",
    "tools",
    "{{ mytools }}{{ tools_x }}",
    '{{ "\\" tools" }}',
    "{{ 'I am thinking' }}",
    "{{",
  ])("%s is neither", (template) => {
    expect(ofTemplate(template)).toEqual(["completion", "chat"]);
  });

  test("one that is made to be slow is read in no time", () => {
    const began = performance.now();
    for (const piece of ["{#", "{{", "{{'", "{%'\\'", "{{ ' }}", "{", "'", "{{a"]) ofTemplate(piece.repeat(200_000));
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test("any text at all gives an answer", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("{", "}", "%", "#", "'", "\\", "tools", " ") }), (text) => {
        expect(ofTemplate(text).slice(0, 2)).toEqual(["completion", "chat"]);
        expect(templateFormatOf(text)).toBe("other");
      }),
    );
  });
});

describe("without a template", () => {
  test.each([
    ["a base model", traits(), ["completion"]],
    ["a coder", traits({ fillsMiddle: true }), ["completion", "fill-in-the-middle"]],
    ["an encoder", traits({ generative: false, embeds: true, pooling: 1 }), ["embedding"]],
    ["a reranker", traits({ generative: false, embeds: true, pooling: 4, ranks: true }), ["reranking"]],
    ["a reranker without its head", traits({ generative: false, embeds: true, pooling: 4 }), []],
    ["a voice", traits({ generative: false }), []],
  ])("%s", (_, given, expected) => {
    expect(capabilitiesOf(given)).toEqual(expected);
  });

  test("an encoder with a template does not chat", () => {
    expect(capabilitiesOf(traits({ generative: false, embeds: true, chatTemplate: HERMES }))).toEqual(["embedding"]);
  });
});

describe("real files", () => {
  test.for([
    ["models/shimmy-tiny/shimmy-tiny-q8_0.gguf", ["completion", "chat", "tools", "fill-in-the-middle"], "chatml"],
    ["../shared/models/smollm2-135m-instruct-q4_1.gguf", ["completion", "chat"], "chatml"],
    ["../shared/models/all-minilm-l6-v2-q8_0.gguf", ["embedding"], undefined],
  ] as const)("%s", async ([path, capabilities, templateFormat], { skip }) => {
    if (!existsSync(path)) skip(`${path} is not on this machine`);
    const found = await readModelFile(path, { checksVocabulary: false });
    expect([found.capabilities, found.templateFormat]).toEqual([capabilities, templateFormat]);
  });
});

test("a digest is taken from the names that stores give, and from no others", () => {
  const hex = "0123456789abcdef".repeat(4);
  expect(digestInName(`/u/.ollama/models/blobs/sha256-${hex}`)).toEqual({ digest: `sha256:${hex}` });
  expect(digestInName(`C:\\hub\\models--a--b\\blobs\\${hex}`)).toEqual({ digest: `sha256:${hex}` });
  for (const path of [`/blobs/${hex.slice(24)}`, `/models/${hex}`, `/blobs/${hex}.gguf`, `/blobs/${hex}/x.gguf`])
    expect(digestInName(path)).toEqual({});
});
