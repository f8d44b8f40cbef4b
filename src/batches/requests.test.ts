import { expect, test } from "vitest";
import { requestOf } from "./requests.ts";

const read = (body: unknown, url: Parameters<typeof requestOf>[1] = "/v1/responses") =>
  requestOf({ number: 1, end: 0, ended: true, text: JSON.stringify({ custom_id: "a", method: "POST", url, body }) }, url);

test.each(["stream", "background"])("%s is refused: a batch has whole answers", (name) => {
  expect(read({ [name]: true })).toMatchObject({ code: "invalid_request", param: `body.${name}` });
  expect(read({ [name]: false })).not.toHaveProperty("code");
});

test("an answer of the Responses API is kept only if its line says so", () => {
  expect(read({ input: "x" })).toMatchObject({ body: { input: "x", store: false } });
  expect(read({ store: null })).toMatchObject({ body: { store: false } });
  expect(read({ store: true })).toMatchObject({ body: { store: true } });
  expect(read({ prompt: "x" }, "/v1/completions")).toMatchObject({ body: { prompt: "x" } });
  expect(read({}, "/v1/completions")).not.toHaveProperty("body.store");
});

test("a line that nobody could decode ends neither the batch nor the server", () => {
  const deep = `{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"x":${"[".repeat(50_000)}${"]".repeat(50_000)}}}`;
  const wide = `{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"x":[${Array(200_000).fill("{}").join(",")}]}}`;
  for (const text of [deep, wide])
    expect(requestOf({ number: 1, end: 0, ended: true, text }, "/v1/responses")).toMatchObject({ code: "invalid_json_line" });
});
