/** The machine that engines run on: their libraries, what these can compute on, and how a model is spread over it. Plain data. */

/** What an engine's library was built for; every one of them can also use the processor. */
export type Backend = "cpu" | "cuda" | "vulkan" | "metal";

/** Something to compute on, as ggml tells it. */
export interface Device {
  /** Unique within an engine: "CPU", "CUDA0", "Vulkan1". */
  readonly name: string;
  /** Of its maker: "NVIDIA GeForce RTX 4090". */
  readonly description: string;
  /** `integrated`: a GPU that shares the memory of the processor; `accelerator`: works beside the processor (BLAS). */
  readonly kind: "cpu" | "gpu" | "integrated" | "accelerator";
  /** Bytes. Of the processor ggml tells the machine's memory, not what is free of it. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** How much of it is free. */
export type DeviceMemory = Pick<Device, "name" | "freeBytes" | "totalBytes">;

/** A device that a model may lie on, as it was before the model was loaded. */
export interface DeviceUse extends Device {
  /** What the plan puts there: weights, KV cells, intermediate results. 0: no layer is there. */
  readonly heldBytes: number;
}

/** A folder with libllama and ggml. */
export interface Engine {
  /** Name of its package, or "custom" for one that was set by --engine-dir. */
  readonly name: string;
  readonly backend: Backend;
  /** Absolute. Never told over HTTP. */
  readonly folder: string;
  /** Where the same backend lies for older drivers; tried when the folder's own finds no device. */
  readonly fallbackFolder?: string;
  /** npm: beside Shimmy's own package; installed: by `shimmy engine install`; set: by --engine-dir. */
  readonly source: "npm" | "installed" | "set";
}

/** How a model is spread: absent devices mean that all of it is on the processor. */
export interface Placement {
  /** Names of devices; none: everything stays on the processor. */
  readonly devices: readonly string[];
  /** Layers on them, counted from the last; the output counts as one more layer behind the last. */
  readonly gpuLayers: number;
  /** Of so many layers, counted from the first, the experts stay on the processor. */
  readonly cpuMoeLayers: number;
}

/** A backend that failed and is not used for a while. */
export interface Degraded {
  readonly backend: Backend;
  readonly engine: string;
  readonly reason: string;
  readonly retryAfterSeconds: number;
}

/** An engine after it was asked for its devices. */
export interface EngineReport {
  readonly engine: Engine;
  readonly devices: readonly Device[];
  /** Why it cannot be used, or not for what it is there: it did not open, it ended, its driver shows no device. */
  readonly problem?: string;
}

/** A backend that exists for this machine and is not installed. */
export interface Installable {
  readonly backend: Backend;
  /** What to type. */
  readonly command: string;
  readonly downloadBytes: number;
}

export interface HardwareReport {
  readonly platform: string;
  /** Physical cores that may be used. */
  readonly cores: number;
  /** Threads that can run at once: the most that an engine has. */
  readonly processors: number;
  /** Bytes of memory, and what of it can be had without swapping. */
  readonly memoryBytes: number;
  readonly availableBytes: number;
  /** In the order in which they are tried. */
  readonly engines: readonly EngineReport[];
  readonly installable: readonly Installable[];
  readonly degraded: readonly Degraded[];
}

export interface Hardware {
  /** Backends that have failed and have not answered since. */
  degraded(): readonly Degraded[];
  /** Asks every engine, each in a process of its own: seconds, with a limit. */
  report(): Promise<HardwareReport>;
}
