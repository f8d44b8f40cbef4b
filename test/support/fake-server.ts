/**
 * The real door over a generator that plays what a test has written: for what clients make of the wire, without a model's whims.
 * The requests that reached the generator are kept, so a test sees what a client really asked.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assemble, servicesOf } from "../../src/assemble.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { GenerationEvent, GenerationRequest } from "../../src/contract/generation.ts";
import { nodeListener } from "../../src/server/node-listener.ts";

export interface FakeServer {
  readonly url: string;
  /** In the order in which they came. */
  readonly requests: GenerationRequest[];
  /** What the next requests are answered with, one list each; the last one is kept. */
  answer(...scripts: ReadonlyArray<readonly GenerationEvent[]>): void;
  stop(): Promise<void>;
}

export async function startFakeServer(): Promise<FakeServer> {
  const folder = mkdtempSync(join(tmpdir(), "shimmy-fake-"));
  const loaded = await loadConfig({}, { env: { SHIMMY_MODEL_STORES: "off", SHIMMY_LOG_LEVEL: "error" }, cwd: folder, home: folder });
  const assembly = assemble(loaded, { watches: false });
  const [info] = await assembly.catalogue.list();
  const requests: GenerationRequest[] = [];
  let scripts: ReadonlyArray<readonly GenerationEvent[]> = [];
  const generator = {
    resolve: async () => ({ info: info!, via: "exact" as const }),
    async *generate(_: unknown, request: GenerationRequest) {
      requests.push(request);
      const [script = [], ...later] = scripts;
      if (later.length > 0) scripts = later;
      yield* script;
    },
  };
  const services = { ...servicesOf(assembly, loaded, { loopback: true, state: () => "ready" }), generator };
  const server = createServer(nodeListener(services));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (...next) => {
      scripts = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([assembly.pool.stop(), assembly.catalogue.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
