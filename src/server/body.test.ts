import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson } from "./body.ts";

const LIMIT = 100;
const JSON_TYPE = { "content-type": "application/json" };

function requestOf(
  body: string | Uint8Array | ReadableStream<Uint8Array> | undefined,
  headers: Record<string, string> = JSON_TYPE,
): Request {
  return new Request("http://localhost/", { method: "POST", headers, ...(body !== undefined && { body, duplex: "half" }) } as RequestInit);
}

/** As a chunked request: nothing says its length before. */
function chunked(pieces: readonly Uint8Array[], headers?: Record<string, string>): Request {
  return requestOf(ReadableStream.from(pieces), headers);
}

/** A string of a Request in the tests gets no Content-Length of its own; over a socket it has one. */
function declared(text: string): Request {
  return requestOf(text, { ...JSON_TYPE, "content-length": String(Buffer.byteLength(text)) });
}

describe("content type", () => {
  const origin = { origin: "http://localhost:3000" };

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/vnd.api+json",
    "application/problem+json;x=y",
  ])("%s is JSON, also from a page", async (type) => {
    expect(await readJson(requestOf("[1]", { "content-type": type }), LIMIT)).toEqual([1]);
    expect(await readJson(requestOf("[1]", { "content-type": type, ...origin }), LIMIT)).toEqual([1]);
  });

  test.each(["application/x-www-form-urlencoded", undefined])("%s is what curl -d says, and refused from a page", async (type) => {
    const bytes = new TextEncoder().encode("[1]"); // a string would bring a type of its own
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    expect(await readJson(requestOf(bytes, headers), LIMIT)).toEqual([1]);
    await expect(readJson(requestOf(bytes, { ...headers, ...origin }), LIMIT)).rejects.toMatchObject({ code: "unsupported_content_type" });
  });

  test.each(["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonx", "text/json/application/json"])(
    "%s is refused",
    async (type) => {
      await expect(readJson(requestOf("[1]", { "content-type": type }), LIMIT)).rejects.toMatchObject({ code: "unsupported_content_type" });
    },
  );
});

describe("size", () => {
  const ofBytes = (n: number) => `"${"x".repeat(n - 2)}"`;

  test("the limit itself is allowed, one byte more is not, declared or not", async () => {
    for (const make of [declared, (text: string) => chunked([Buffer.from(text)])]) {
      expect(await readJson(make(ofBytes(LIMIT)), LIMIT)).toHaveLength(LIMIT - 2);
      await expect(readJson(make(ofBytes(LIMIT + 1)), LIMIT)).rejects.toMatchObject({ code: "body_too_large", status: 413 });
    }
  });

  test("bytes are counted, not characters", async () => {
    const text = JSON.stringify("€".repeat(40));
    await expect(readJson(declared(text), LIMIT)).rejects.toMatchObject({ code: "body_too_large" });
    await expect(readJson(chunked([Buffer.from(text)]), LIMIT)).rejects.toMatchObject({ code: "body_too_large" });
  });

  test("an endless body is not read to its end", async () => {
    let read = 0;
    const endless = async function* () {
      for (;;) {
        read++;
        yield new Uint8Array(60);
      }
    };
    const request = requestOf(ReadableStream.from(endless()));
    await expect(readJson(request, LIMIT)).rejects.toMatchObject({ code: "body_too_large" });
    expect(read).toBeLessThan(10);
  });
});

describe("content", () => {
  test("any JSON comes through, however its bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.integer({ min: 1, max: 9 }), async (value, size) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
        expect(await readJson(chunked(pieces), 1e6)).toEqual(JSON.parse(bytes.toString()));
      }),
      { numRuns: 50 },
    );
  });

  test("a byte order mark is skipped, declared or not", async () => {
    expect(await readJson(declared("\ufeff[1]"), LIMIT)).toEqual([1]);
    expect(await readJson(chunked([Buffer.from("\ufeff[1]")]), LIMIT)).toEqual([1]);
  });

  test.each(["", " ", "{", "[1,]", "{}{}", "undefined", "{'a':1}", '"a\u0000b"'])(
    "%j is invalid_json with the parser's reason",
    async (text) => {
      const error = expect.objectContaining({ code: "invalid_json", details: { reason: expect.stringMatching(/./) } });
      await expect(readJson(declared(text), LIMIT)).rejects.toEqual(error);
      await expect(readJson(chunked([Buffer.from(text)]), LIMIT)).rejects.toEqual(error);
    },
  );

  test("no body at all is invalid_json", async () => {
    await expect(readJson(requestOf(undefined), LIMIT)).rejects.toMatchObject({ code: "invalid_json" });
  });

  test("a client that breaks off in its body has left: no failure of the server", async () => {
    const broken = async function* () {
      yield Buffer.from('{"a":');
      throw new Error("aborted");
    };
    for (const headers of [JSON_TYPE, { ...JSON_TYPE, "content-length": "50" }])
      await expect(readJson(requestOf(ReadableStream.from(broken()), headers), LIMIT)).rejects.toMatchObject({ code: "client_closed" });
  });
});
