/** What may be written for a model on the hub. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonical, parseReference } from "./reference.ts";

const REPO = "bartowski/SmolLM2-135M-Instruct-GGUF";

test.each([
  [REPO, { repo: REPO }],
  [` ${REPO} `, { repo: REPO }],
  [`${REPO}:Q4_K_M`, { repo: REPO, quant: "Q4_K_M" }],
  [`hf.co/${REPO}:Q4_K_M`, { repo: REPO, quant: "Q4_K_M" }],
  [`huggingface.co/${REPO}`, { repo: REPO }],
  [`hf://${REPO}`, { repo: REPO }],
  [`${REPO}@v1.0`, { repo: REPO, revision: "v1.0" }],
  [`${REPO}@v1.0:Q8_0`, { repo: REPO, revision: "v1.0", quant: "Q8_0" }],
  [`${REPO}:Q8_0@refs/pr/2`, { repo: REPO, revision: "refs/pr/2", quant: "Q8_0" }],
  [`${REPO}/a.gguf`, { repo: REPO, file: "a.gguf" }],
  [`${REPO}/Q8_0/a-00001-of-00002.gguf@main`, { repo: REPO, file: "Q8_0/a-00001-of-00002.gguf", revision: "main" }],
  [`${REPO}@refs/pr/1/x/a.gguf`, { repo: REPO, file: "x/a.gguf", revision: "refs/pr/1" }],
  [`https://huggingface.co/${REPO}`, { repo: REPO }],
  [`https://huggingface.co/${REPO}/resolve/main/x/a.gguf?download=true`, { repo: REPO, revision: "main", file: "x/a.gguf" }],
  [`https://hf.co/${REPO}/blob/refs%2Fpr%2F1/a.gguf`, { repo: REPO, revision: "refs/pr/1", file: "a.gguf" }],
  [`https://huggingface.co/${REPO}?show_file_info=a.gguf`, { repo: REPO, file: "a.gguf" }],
  [`https://huggingface.co/${REPO}/tree/main`, { repo: REPO, revision: "main" }],
  [`https://huggingface.co/${REPO}/tree/main/UD-Q4_K_XL`, { repo: REPO, revision: "main", quant: "UD-Q4_K_XL" }],
  [`https://mirror.example:8443/${REPO}`, { repo: REPO }],
])("%s", (text, expected) => {
  expect(parseReference(text, ["mirror.example:8443"])).toEqual(expected);
});

test.each([
  "",
  "gpt2",
  "shimmy-tiny",
  "../../etc/passwd",
  "owner/..",
  "owner/repo/../x.gguf",
  "owner/repo//x.gguf",
  "owner/repo/readme.md",
  "owner/repo:",
  "owner/repo@",
  "owner/repo@..",
  "owner/repo@a/../b",
  "owner\\repo",
  "ow ner/repo",
  "https://evil.example/owner/repo",
  "https://huggingface.co.evil.example/owner/repo",
  "https://huggingface.co@evil.example/owner/repo",
  "https://huggingface.co/datasets/owner/repo/resolve/main/a.gguf",
  "https://huggingface.co/owner/repo/resolve/main/%2e%2e/a.gguf",
  "https://huggingface.co/owner/repo/blob/main/%zz.gguf",
  "file:///etc/passwd",
])("refuses %j", (text) => {
  expect(() => parseReference(text)).toThrowError(expect.objectContaining({ code: "invalid_value", param: "model" }));
});

test("whatever is written, it is refused or names two plain parts and no path upwards", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom("..", ".", "/", "@", ":", "owner", "repo", "x.gguf", "%2e%2e", "\\", "https://hf.co/"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      try {
        const { repo, file, revision } = parseReference(pieces.join(""));
        expect(repo).toMatch(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/);
        for (const part of [...repo.split("/"), ...(file ?? "").split("/"), ...(revision ?? "").split("/")]) expect(part).not.toBe("..");
      } catch (error) {
        expect(error).toMatchObject({ code: "invalid_value" });
      }
    }),
    { numRuns: 2000 },
  );
});

test("spellings of one thing are one pull", () => {
  expect(canonical(parseReference("Owner/Repo:q4_k_m"))).toBe(canonical(parseReference("https://hf.co/owner/repo/tree/main/Q4_K_M")));
  expect(canonical(parseReference("owner/repo"))).not.toBe(canonical(parseReference("owner/repo@dev")));
});
