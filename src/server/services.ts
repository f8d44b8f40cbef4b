/** What the door is given by `servicesOf` of assemble.ts, and by tests: plain parts, no globals. */
import type { Config } from "../config/table.ts";
import type { Alerts } from "../contract/alerts.ts";
import type { Jobs } from "../contract/batches.ts";
import type { Embedder, Tokenizer } from "../contract/embedding.ts";
import type { Generator } from "../contract/generation.ts";
import type { Hardware } from "../contract/hardware.ts";
import type { Inspector, PromptRenderer } from "../contract/inspection.ts";
import type { Lifecycle } from "../contract/lifecycle.ts";
import type { ModelState, ModelStatus } from "../contract/model.ts";
import type { Puller } from "../contract/pull.ts";
import type { ResponseStore } from "../contract/responses.ts";
import type { Tracing } from "../contract/tracing.ts";
import type { UpstreamTrouble } from "../contract/upstream.ts";
import type { Discovery } from "../models/catalogue.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { GuardSettings } from "./guards.ts";
import type { Installation } from "./installation.ts";

export type ModelCounts = { readonly total: number } & Partial<Record<ModelState, number>>;

export interface Services {
  readonly config: Config;
  readonly guards: GuardSettings;
  readonly generator: Generator;
  /** What this server calls itself to others that it asks; absent: it asks none. */
  readonly hop?: string;
  readonly embedder: Embedder;
  readonly tokenizer: Tokenizer;
  readonly promptRenderer: PromptRenderer;
  readonly inspector: Inspector;
  /** Everything in the catalogue, in the order of preference. */
  models(): Promise<readonly ModelStatus[]>;
  modelCounts(): Promise<ModelCounts>;
  /** Upstreams that are not asked now. */
  upstreamTroubles(): readonly UpstreamTrouble[];
  readonly puller: Puller;
  readonly lifecycle: Lifecycle;
  /** Looks at all places where models may lie, now. */
  discover(): Promise<Discovery>;
  readonly hardware: Hardware;
  readonly jobs: Jobs;
  /** Answers of the Responses API that are kept. */
  readonly responseStore: ResponseStore;
  /** None where none are configured. */
  readonly alerts: Alerts;
  readonly metrics: Metrics;
  /** Absent: nobody asked for traces. */
  readonly tracing?: Tracing;
  readonly log: Logger;
  readonly version: string;
  readonly installation: Installation;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /**
   * "loading" until what was asked to be loaded at start is there; after SIGTERM "settling" while /health asks to be sent nothing more and
   * all is still answered, then "draining".
   */
  state(): "ready" | "loading" | "settling" | "draining";
}
