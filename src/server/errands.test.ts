import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { Errand } from "../contract/batches.ts";
import { createDispatch } from "./errands.ts";
import type { Services } from "./services.ts";

/** A door that refuses whoever generates. */
const services = {
  config: { maxBodySize: 1000 },
  guards: { loopback: true, allowedHosts: [], corsOrigins: [], apiKey: ["secret"] },
  metrics: { requestStarted: () => ({ finished: () => undefined, firstToken: () => undefined }) },
  log: { enabled: () => true, info: () => undefined },
  installation: { failed: () => undefined },
  state: () => "draining",
} as unknown as Services;

const errand = (signal: AbortSignal): Errand => ({ path: "/v1/chat/completions", body: { messages: [] }, owner: {}, signal });

test("lines of a batch leave nothing behind on its signal, which outlives fifty thousand of them", async () => {
  const dispatch = createDispatch(services);
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i++) expect(await dispatch(errand(signal))).toMatchObject({ status: 503 });
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
