/**
 * The memory that models may have and take: of the machine, and of each GPU that an engine has told of. Added by instruments.ts, read at a
 * scrape; no device is opened for it. A name that was once published keeps its meaning.
 */
import type { Registry } from "prom-client";
import type { DeviceGauges, MemoryGauges, ModelGauges } from "./metrics.ts";

type Prometheus = typeof import("prom-client");

export interface MemorySources {
  readonly models: () => readonly ModelGauges[];
  readonly memory: () => MemoryGauges | undefined;
}

export const DEVICE_METRICS = {
  info: "shimmy_device_info",
  total: "shimmy_device_memory_bytes",
  free: "shimmy_device_free_memory_bytes",
  held: "shimmy_device_held_memory_bytes",
} as const;

/** One GPU, whichever models lie on it. */
interface Together {
  readonly latest: DeviceGauges;
  readonly heldBytes: number;
}

export function addMemoryMetrics({ Gauge }: Prometheus, registers: Registry[], { models, memory }: MemorySources): void {
  const budget = (name: string, help: string, key: keyof MemoryGauges) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        const bytes = memory()?.[key];
        if (bytes === undefined) this.remove();
        else this.set(bytes);
      },
    });
  budget("shimmy_memory_budget_bytes", "Memory of the machine that models may take together.", "budgetBytes");
  budget("shimmy_memory_budget_used_bytes", "What loaded models and those on their way are counted with of it.", "usedBytes");
  const device = (name: string, help: string, read: (device: Together) => number) =>
    new Gauge({
      ...{ name, help, registers, labelNames: ["device"] },
      collect() {
        this.reset();
        for (const [name, together] of byName(models())) this.set({ device: name }, read(together));
      },
    });
  const last = "as an engine on it told last: within a second of a change";
  device(DEVICE_METRICS.total, "Memory of a GPU that a loaded model's engine knows.", ({ latest }) => latest.totalBytes);
  device(DEVICE_METRICS.free, `Memory of a GPU that nobody uses, ${last}.`, ({ latest }) => latest.freeBytes);
  device(
    DEVICE_METRICS.held,
    "What loaded models are planned to take of a GPU: weights, KV cells, intermediate results.",
    ({ heldBytes }) => heldBytes,
  );
  new Gauge({
    name: DEVICE_METRICS.info,
    help: "Always 1: a GPU that a loaded model's engine knows; kind: gpu, integrated (shares the machine's memory).",
    labelNames: ["device", "description", "kind", "backend"],
    registers,
    collect() {
      this.reset();
      for (const [device, { latest }] of byName(models()))
        this.set({ device, description: latest.description, kind: latest.kind, backend: latest.backend }, 1);
    },
  });
}

/** Engines of one backend name their devices alike. */
function byName(models: readonly ModelGauges[]): Map<string, Together> {
  const devices = new Map<string, Together>();
  for (const use of models.flatMap(({ deviceUses = [] }) => deviceUses)) {
    const known = devices.get(use.name);
    const latest = known && known.latest.toldAt > use.toldAt ? known.latest : use;
    devices.set(use.name, { latest, heldBytes: use.heldBytes + (known?.heldBytes ?? 0) });
  }
  return devices;
}
