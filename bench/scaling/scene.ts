/** One run: instances, what stands before them, clients, and what happens to the instances meanwhile. Called by run.ts and by tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../test/support/balancer.ts";
import { Instances, type Receipt } from "./instances.ts";
import { frontOf, instancesOf, type Pattern } from "./patterns.ts";
import { ask, type Outcome } from "./request.ts";
import { type Traffic, traffic } from "./traffic.ts";

export interface Scene {
  readonly outcomes: readonly Outcome[];
  readonly receipts: readonly Receipt[];
  /** Of the load, milliseconds. */
  readonly ms: number;
}

export interface SceneOptions {
  readonly pattern: Pattern;
  readonly clients: number;
  readonly tokens: number;
  /** More flags of the instances. */
  readonly args: readonly string[];
  /** While the clients ask; the load ends with it. */
  readonly play: (instances: Instances, load: Traffic) => Promise<void>;
}

export async function scene({ pattern, clients, tokens, args, play }: SceneOptions): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "shimmy-scaling-"));
  const count = instancesOf(pattern);
  const port = await freePorts(count + 1);
  const instances = await Instances.start({ folder, port, count, args });
  try {
    // Models are loaded before anything is measured.
    const messages = [{ role: "user", content: "Hello" }] as const;
    await Promise.all(instances.urls.map((url) => ask({ url, session: "warm", messages, tokens: 2, streamed: false })));
    const front = await frontOf(pattern, instances, folder, port);
    try {
      const load = traffic({ urls: front.urls, clients, tokens });
      const from = performance.now();
      await play(instances, load);
      const ms = performance.now() - from;
      const outcomes = await load.stop();
      return { outcomes, receipts: instances.receipts(), ms };
    } finally {
      await front.stop();
    }
  } finally {
    await instances.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Nothing happens. */
export function steady(seconds: number): SceneOptions["play"] {
  return () => pause(seconds * 1000);
}

/** One that is back is found by HAProxy's check within 2 s; whoever restarts one after the other waits for it. */
const FOUND_MS = 2500;

/** A whole instance is killed, the engine of another, a third is drained; then all are restarted one after the other. Each is brought back. */
export async function faults(instances: Instances, load: Traffic): Promise<void> {
  await load.more(20);
  await instances.kill(0);
  await load.more(20);
  await instances.begin(0);
  await load.more(20);
  await instances.killEngine(1);
  await load.more(20);
  await pause(FOUND_MS);
  for (const index of [2, 0, 1]) {
    const code = await instances.drain(index);
    if (code !== 0) throw new Error(`a drained instance ended with ${code}`);
    await load.more(10);
    await instances.begin(index);
    await pause(FOUND_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
