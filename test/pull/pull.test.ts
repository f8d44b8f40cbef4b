/** Pulling from a hub stand-in with faults: what ends up on the disk, and what is said meanwhile. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PullEvent } from "../../src/contract/pull.ts";
import { partialPaths } from "../../src/hub/partial.ts";
import { HubPuller, type HubPullerOptions } from "../../src/hub/puller.ts";
import { findPulled, recordPath } from "../../src/hub/records.ts";
import { COMMIT, type Hub, sha256, startHub } from "./hub.ts";

const REPO = "Owner/Tiny-GGUF";
/** Bytes that are no model: pulling never looks inside. */
const bytes = (length: number, seed: number) => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 255));
const CONTENT = bytes(700_000, 7);
const SEGMENT = 100_000;

let root: string;
let hub: Hub;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "shimmy-pull-"));
  hub = await startHub({
    repos: {
      [REPO]: {
        "README.md": Buffer.from("# tiny"),
        "tiny-Q4_0.gguf": bytes(300_000, 3),
        "tiny-Q8_0.gguf": CONTENT,
        "split/tiny-F32-00001-of-00002.gguf": bytes(150_000, 5),
        "split/tiny-F32-00002-of-00002.gguf": bytes(90_000, 11),
        "mmproj-tiny-F16.gguf": bytes(100, 1),
        "small.gguf": bytes(2000, 13),
      },
      "owner/gated": { "a-Q8_0.gguf": bytes(5000, 1) },
      "owner/hostile": { "x/../../../evil.gguf": bytes(50_000, 1), "con.gguf": bytes(60_000, 1) },
    },
    gated: { "owner/gated": "hf_secret" },
    gitBelow: 10_000,
    pageSize: 3,
  });
});
afterEach(async () => {
  await hub.close();
  rmSync(root, { recursive: true, force: true });
});

interface Settings {
  readonly token?: string;
  readonly offline?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly tuning?: HubPullerOptions["tuning"];
}

function puller({ token, offline = false, env = {}, tuning }: Settings = {}): HubPuller {
  return new HubPuller({
    config: { offline, hubEndpoint: hub.url, hubToken: token, pullConnections: 3 },
    root,
    userAgent: "test",
    env: { HF_HOME: root, ...env },
    tuning: { segmentBytes: SEGMENT, retryPauseMs: 5, availableMemory: () => 8e9, ...tuning },
  });
}

async function pull(model: string, { signal = new AbortController().signal, ...settings }: Settings & { signal?: AbortSignal } = {}) {
  const events: PullEvent[] = [];
  for await (const event of puller(settings).pull(model, signal)) events.push(event);
  return events;
}

const Q8 = () => join(root, "Owner", "Tiny-GGUF", "tiny-Q8_0.gguf");
const content = () => hub.asked.filter(({ where }) => where === "cdn");
const partialFiles = () => readdirSync(join(root, ".partial"));

describe("a pull that goes well", () => {
  test("chooses, fetches in parts at once, checks, moves into place and records", async () => {
    const events = await pull(REPO);
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
    expect(events.map(({ status }) => status)).toEqual(
      expect.arrayContaining([
        `looking up ${REPO}`,
        expect.stringMatching(/^Q8_0, 700 kB: the largest/),
        "downloading tiny-Q8_0.gguf",
        "verifying sha256 digest",
        "success",
      ]),
    );
    const downloads = events.filter(({ status }) => status.startsWith("downloading"));
    expect(downloads.at(-1)).toMatchObject({ digest: `sha256:${sha256(CONTENT)}`, total: 700_000, completed: 700_000 });
    expect(content().map(({ range }) => range)).toHaveLength(7);
    expect(partialFiles()).toEqual([]);
    expect(JSON.parse(readFileSync(recordPath(join(root, "Owner", "Tiny-GGUF"), "tiny-Q8_0.gguf"), "utf8"))).toMatchObject({
      repo: REPO,
      revision: "main",
      commit: COMMIT,
      quantization: "Q8_0",
      files: [{ name: "tiny-Q8_0.gguf", path: "tiny-Q8_0.gguf", size: 700_000, sha256: sha256(CONTENT) }],
    });
  });

  test("all parts of a split model, the first one last", async () => {
    await pull(`${REPO}:F32`);
    const folder = join(root, "Owner", "Tiny-GGUF", "split");
    expect(readdirSync(folder).sort()).toEqual([
      "tiny-F32-00001-of-00002.gguf",
      "tiny-F32-00001-of-00002.gguf.pull.json",
      "tiny-F32-00002-of-00002.gguf",
    ]);
  });

  test("a small file without LFS is checked by its git oid", async () => {
    const events = await pull(`${REPO}/small.gguf`);
    expect(events.map(({ status }) => status)).toContain("verifying sha1 digest");
    expect(statSync(join(root, "Owner", "Tiny-GGUF", "small.gguf")).size).toBe(2000);
  });

  test("another spelling of the repository ends in the folder of its real name", async () => {
    await pull("owner/tiny-gguf:Q8_0");
    expect(existsSync(Q8())).toBe(true);
  });

  test("what is there already is not fetched again", async () => {
    await pull(`${REPO}:Q8_0`);
    const before = hub.sent();
    expect((await pull(`${REPO}:Q8_0`)).at(-1)).toEqual({ status: "success" });
    expect(hub.sent()).toBe(before);
  });

  test("a file that was damaged since is fetched again when its record is gone", async () => {
    await pull(`${REPO}:Q8_0`);
    rmSync(recordPath(join(root, "Owner", "Tiny-GGUF"), "tiny-Q8_0.gguf"));
    writeFileSync(Q8(), Buffer.alloc(CONTENT.length));
    await pull(`${REPO}:Q8_0`);
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
  });

  test("progress is told a few times a second, not for each piece", async () => {
    hub.slowMs = 5;
    const events = await pull(`${REPO}:Q8_0`);
    expect(events.filter(({ completed }) => completed !== undefined).length).toBeLessThan(20);
  });
});

describe("the token", () => {
  test("goes to the hub and never to the content server", async () => {
    await pull("owner/tiny-gguf:Q8_0", { token: "hf_mine" });
    const toHub = hub.asked.filter(({ where }) => where === "hub");
    expect(new Set(toHub.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer hf_mine"]));
    expect(new Set(content().map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });

  test("is read from the file of the Hugging Face CLI", async () => {
    writeFileSync(join(root, "token"), "hf_from_file\n");
    await pull(`${REPO}:Q4_0`);
    expect(hub.asked[0]?.authorization).toBe("Bearer hf_from_file");
  });

  test("opens a gated repository; without it the error names page and HF_TOKEN", async () => {
    hub.replace("owner/gated", "a-Q8_0.gguf", bytes(50_000, 1));
    await expect(pull("owner/gated")).rejects.toMatchObject({
      code: "hub_access_denied",
      message: expect.stringContaining(`${hub.url}/owner/gated`),
      hint: expect.stringContaining("HF_TOKEN"),
    });
    expect((await pull("owner/gated", { token: "hf_secret" })).at(-1)?.status).toBe("success");
  });
});

describe("faults of the network", () => {
  test("a connection that is cut goes on where it ended", async () => {
    hub.fault = ({ where, range }, response) => {
      if (where !== "cdn" || content().filter((asked) => asked.range === range).length > 1 || content().length > 3) return false;
      const [, first, last] = /(\d+)-(\d+)/.exec(range!)!;
      const start = Number(first);
      response.writeHead(206, { "content-length": Number(last) + 1 - start, "content-range": `bytes ${first}-${last}/${CONTENT.length}` });
      response.write(CONTENT.subarray(start, start + 40_000), () => setTimeout(() => response.destroy(), 20));
      return true;
    };
    await pull(`${REPO}:Q8_0`);
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
    expect(content().map(({ range }) => range)).toEqual(expect.arrayContaining(["bytes=40000-99999"]));
  });

  test("5xx and 429 are tried again, after the time that was asked for, and told", async () => {
    hub.fault = ({ where, path }, response, count) => {
      if (path.startsWith("/api") && count === 1) response.writeHead(429, { "retry-after": "1" }).end();
      else if (where === "cdn" && count <= 2) response.writeHead(503).end();
      else return false;
      return true;
    };
    const before = performance.now();
    const events = await pull(`${REPO}:Q8_0`);
    expect(performance.now() - before).toBeGreaterThan(950);
    expect(events.map(({ status }) => status)).toEqual(
      expect.arrayContaining(["it answers 429; trying again in 1 s", "its content server answers 503; trying again in 1 s"]),
    );
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
  });

  test("a hub that stays broken is an error that says so, and what was fetched stays", async () => {
    hub.fault = ({ where, range }, response) => where === "cdn" && !/=0-/.test(range!) && Boolean(response.writeHead(500).end());
    await expect(pull(`${REPO}:Q8_0`)).rejects.toMatchObject({ code: "hub_unreachable", message: expect.stringContaining("500") });
    hub.fault = undefined;
    const before = hub.sent();
    await pull(`${REPO}:Q8_0`);
    expect(hub.sent() - before).toBeLessThanOrEqual(600_000);
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
  });

  test("a Retry-After of an hour is not waited for", async () => {
    hub.fault = (_, response) => Boolean(response.writeHead(429, { "retry-after": "3600" }).end());
    await expect(pull(REPO)).rejects.toMatchObject({ code: "hub_unreachable", message: expect.stringContaining("429") });
  });

  test("a server that knows no ranges sends the file in one piece", async () => {
    hub.ranges = false;
    await pull(`${REPO}:Q8_0`);
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
  });

  test("nobody at the address", async () => {
    const { port } = hub;
    await hub.close();
    await expect(pull(REPO)).rejects.toMatchObject({ code: "hub_unreachable", message: expect.stringContaining(String(port)) });
    hub = await startHub({ repos: {} });
  });
});

describe("content that is not what was listed", () => {
  test("a wrong checksum: an error, and nothing of it stays", async () => {
    hub.fault = ({ where, range }, response) => {
      if (where !== "cdn") return false;
      const [, first, last] = /(\d+)-(\d+)/.exec(range!)!;
      const length = Number(last) + 1 - Number(first);
      response.writeHead(206, { "content-length": length, "content-range": `bytes ${first}-${last}/${CONTENT.length}` });
      return Boolean(response.end(Buffer.alloc(length)));
    };
    await expect(pull(`${REPO}:Q8_0`)).rejects.toMatchObject({ code: "checksum_mismatch" });
    expect(partialFiles()).toEqual([]);
    expect(existsSync(Q8())).toBe(false);
  });

  test("a partial that was damaged on the disk is thrown away and the file fetched anew, once", async () => {
    const stop = new AbortController();
    hub.slowMs = 20;
    const stopped = (async () => {
      for await (const event of puller().pull(`${REPO}:Q8_0`, stop.signal)) if ((event.completed ?? 0) > 100_000) stop.abort();
    })();
    await expect(stopped).rejects.toMatchObject({ code: "client_closed" });
    hub.slowMs = 0;
    const { part } = partialPaths(root, REPO, "tiny-Q8_0.gguf");
    writeFileSync(part, Buffer.alloc(statSync(part).size));
    const events = await pull(`${REPO}:Q8_0`);
    expect(events.map(({ status }) => status)).toContain("tiny-Q8_0.gguf does not match its checksum: starting again");
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);
  });

  test("a file that changed on the hub between two attempts starts again", async () => {
    hub.fault = ({ where, range }, response) => where === "cdn" && /=300000-/.test(range!) && Boolean(response.writeHead(500).end());
    await expect(pull(`${REPO}:Q8_0`)).rejects.toMatchObject({ code: "hub_unreachable" });
    hub.fault = undefined;
    const other = bytes(700_000, 17);
    hub.replace(REPO, "tiny-Q8_0.gguf", other);
    await pull(`${REPO}:Q8_0`);
    expect(readFileSync(Q8()).equals(other)).toBe(true);
  });

  test("an ETag that is not the listed oid: looked up once more, then an error", async () => {
    hub.linkedEtag = "f".repeat(64);
    await expect(pull(`${REPO}:Q8_0`)).rejects.toMatchObject({ code: "hub_answer_invalid" });
    expect(hub.asked.filter(({ path }) => path.includes("/revision/"))).toHaveLength(2);
    expect(partialFiles()).toEqual([]);
  });

  test("file names that lead elsewhere, or that Windows takes for devices, are refused", async () => {
    await expect(pull("owner/hostile")).rejects.toMatchObject({ code: "hub_answer_invalid" });
    hub.replace("owner/hostile", "con.gguf", bytes(10_000, 1));
    await expect(pull("owner/hostile")).rejects.toMatchObject({ code: "hub_answer_invalid" });
    expect(readdirSync(root).filter((name) => name !== ".partial")).toEqual([]);
  });
});

describe("what is not there", () => {
  test.each([
    ["owner/nothing", "hub_repo_missing", "has no model repository 'owner/nothing'"],
    [`${REPO}@dev`, "hub_revision_missing", "no branch, tag or commit 'dev'"],
    [`${REPO}:Q5_K_M`, "hub_variant_missing", "It has: small.gguf (2 kB), F32 (240 kB), Q4_0 (300 kB), Q8_0 (700 kB)"],
    [`${REPO}/other.gguf`, "hub_variant_missing", "tiny-Q8_0.gguf"],
  ])("%s", async (model, code, text) => {
    await expect(pull(model)).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
  });
});

describe("before anything is fetched", () => {
  test("offline: refused without a request", async () => {
    await expect(pull(REPO, { offline: true })).rejects.toMatchObject({ code: "offline", status: 403 });
    expect(hub.asked).toEqual([]);
  });

  test("too little room on the disk is told before the first byte", async () => {
    await expect(pull(`${REPO}:Q8_0`, { tuning: { freeDisk: async () => 1e6 } })).rejects.toMatchObject({
      code: "disk_full",
      message: expect.stringContaining("68 MB needed, 1 MB free"),
    });
    expect(content()).toEqual([]);
  });
});

describe("more than one", () => {
  test("pulls of one model in one process are one, and each sees how far it is", async () => {
    const one = puller();
    hub.slowMs = 5;
    const watch = async () => {
      const events: PullEvent[] = [];
      for await (const event of one.pull(`${REPO}:Q8_0`, new AbortController().signal)) events.push(event);
      return events;
    };
    const results = await Promise.all([watch(), watch(), watch()]);
    for (const events of results) expect(events.at(-1)?.status).toBe("success");
    expect(hub.sent()).toBe(CONTENT.length);
  });

  test("one that leaves does not end it for the others; when all have left it stops", async () => {
    const one = puller();
    hub.slowMs = 10;
    const leaving = new AbortController();
    const left = (async () => {
      for await (const event of one.pull(`${REPO}:Q8_0`, leaving.signal)) if (event.completed !== undefined) leaving.abort();
    })();
    const stays = (async () => {
      for await (const _ of one.pull(`${REPO}:Q8_0`, new AbortController().signal));
    })();
    await expect(left).rejects.toMatchObject({ code: "client_closed" });
    await stays;
    expect(readFileSync(Q8()).equals(CONTENT)).toBe(true);

    const last = new AbortController();
    const alone = (async () => {
      for await (const event of one.pull(`${REPO}:Q4_0`, last.signal)) if (event.completed !== undefined) last.abort();
    })();
    await expect(alone).rejects.toMatchObject({ code: "client_closed" });
    const before = hub.sent();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hub.sent()).toBe(before);
    expect(partialFiles().filter((name) => name.endsWith(".part"))).toHaveLength(1);
    expect(partialFiles().filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("two that do not know each other: one fetches, the other waits, tells of it and finds the file", async () => {
    hub.slowMs = 20;
    const first = pull(`${REPO}:Q8_0`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [, events] = await Promise.all([first, pull(`${REPO}:Q8_0`)]);
    expect(events.map(({ status }) => status)).toContainEqual(
      expect.stringMatching(/^process \d+ is downloading tiny-Q8_0\.gguf|^waiting for process/),
    );
    expect(events.at(-1)?.status).toBe("success");
    expect(hub.sent()).toBe(CONTENT.length);
  });

  test("records tell what was pulled", async () => {
    await pull(`${REPO}:Q8_0`);
    await pull(`${REPO}:F32`);
    expect((await findPulled(root)).map(({ record }) => record.quantization).sort()).toEqual(["F32", "Q8_0"]);
  });
});
