/**
 * What ggml can compute on, and why a backend is missing. Called by library.ts when it opens, by model.ts to place a model, by the engine
 * when it is asked. Source: ggml-backend.h of llama.cpp v0.4.0.
 */
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import type { Device } from "../contract/hardware.ts";

export type DevicePointer = bigint & { readonly pointsTo?: "ggml_backend_device" };

/** `ggml_backend_dev_type`; META, a device made of others, is none to choose. */
const KINDS: readonly Device["kind"][] = ["cpu", "gpu", "integrated", "accelerator"];

export interface Devices {
  /** All of them, with the memory that is free now. */
  list(): Device[];
  /** By its name, or undefined. */
  find(name: string): DevicePointer | undefined;
}

export function declareDevices(ggml: LibraryHandle, base: LibraryHandle): Devices {
  const count = ggml.func("size_t ggml_backend_dev_count()") as unknown as () => number | bigint;
  const get = ggml.func("void* ggml_backend_dev_get(size_t index)") as unknown as (index: number) => DevicePointer;
  const nameOf = base.func("const char* ggml_backend_dev_name(void* device)") as unknown as (device: DevicePointer) => string;
  const description = base.func("const char* ggml_backend_dev_description(void* device)") as unknown as (device: DevicePointer) => string;
  const typeOf = base.func("int ggml_backend_dev_type(void* device)") as unknown as (device: DevicePointer) => number;
  const memory = base.func("void ggml_backend_dev_memory(void* device, void* free, void* total)") as unknown as (
    device: DevicePointer,
    free: BigUint64Array,
    total: BigUint64Array,
  ) => void;
  const all = () => Array.from({ length: Number(count()) }, (_, index) => get(index));
  const describe = (device: DevicePointer, kind: Device["kind"]): Device => {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    memory(device, free, total);
    const [freeBytes, totalBytes] = [Number(free[0]), Number(total[0])];
    return { name: nameOf(device), description: description(device), kind, freeBytes, totalBytes };
  };
  return {
    list: () => all().flatMap((device) => describeKnown(device, KINDS[typeOf(device)], describe)),
    find: (name) => all().find((device) => nameOf(device) === name),
  };
}

function describeKnown(
  device: DevicePointer,
  kind: Device["kind"] | undefined,
  describe: (device: DevicePointer, kind: Device["kind"]) => Device,
): Device[] {
  return kind === undefined ? [] : [describe(device, kind)];
}

/**
 * Why the GPU backends of these folders show no device: what the system's loader says of each, or that the driver has none. ggml passes
 * over a backend that cannot be loaded without a word. Without folders in it, for it is told over HTTP.
 */
export function missingDeviceReason(folders: readonly string[]): string {
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => /^(lib)?ggml-(cuda|vulkan|metal)\.(so|dylib|dll)$/.test(file))
      .map((file) => join(folder, file)),
  );
  const faults = files.flatMap((file) => {
    try {
      koffi.load(file);
      return [];
    } catch (error) {
      return [`${basename(file)}: ${(error as Error).message.replaceAll(file, "it").trim()}`];
    }
  });
  if (files.length === 0) return "it holds no GPU backend";
  return faults.length === files.length ? [...new Set(faults)].join("; ") : "its driver shows no device";
}
