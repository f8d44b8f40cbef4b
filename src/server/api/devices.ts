/** GET /api/devices: what `shimmy gpu-info` shows, without the folders of this machine. */
import * as z from "zod/mini";
import type { EngineReport, HardwareReport } from "../../contract/hardware.ts";
import { wireDegraded } from "../health.ts";
import type { Services } from "../services.ts";
import type { ApiRoute } from "./route.ts";

const reportSchema = z.looseObject({
  platform: z.string(),
  cores: z.number(),
  processors: z.number(),
  memory: z.object({ total: z.number(), available: z.number() }),
  engines: z.array(z.looseObject({ name: z.string(), backend: z.string() })),
});

export const DEVICE_ROUTES: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/api/devices",
    doc: { summary: "What there is to compute on", tag: "Models", answer: reportSchema },
    handle: async (services) => Response.json(wireReport(await report(services))),
  },
];

/** Drivers are opened to answer: many who ask at once, or again and again, share an answer. */
const SHARED_MS = 5000;
const shared = new WeakMap<Services["hardware"], { readonly at: number; readonly report: Promise<HardwareReport> }>();

function report({ hardware }: Services): Promise<HardwareReport> {
  const known = shared.get(hardware);
  if (known && performance.now() - known.at < SHARED_MS) return known.report;
  const fresh = { at: performance.now(), report: hardware.report() };
  shared.set(hardware, fresh);
  return fresh.report;
}

/** Bytes everywhere. */
export function wireReport({ platform, cores, processors, memoryBytes, availableBytes, engines, installable, degraded }: HardwareReport) {
  return {
    platform,
    cores,
    processors,
    memory: { total: memoryBytes, available: availableBytes },
    engines: engines.map(wireEngine),
    installable: installable.map(({ backend, command, downloadBytes }) => ({ backend, command, download: downloadBytes })),
    degraded: degraded.map(wireDegraded),
  };
}

function wireEngine({ engine: { name, backend, source }, devices, problem }: EngineReport) {
  return {
    name,
    backend,
    source,
    devices: devices.map(({ name, description, kind, freeBytes, totalBytes }) => ({
      name,
      description,
      kind,
      memory: { total: totalBytes, free: freeBytes },
    })),
    ...(problem !== undefined && { problem }),
  };
}
