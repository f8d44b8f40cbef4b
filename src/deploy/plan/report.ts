/** Everything a plan was made of, as `shimmy plan --json` prints it and the integration specification tells it. Plain data. */
import type { Measured } from "./measure.ts";
import type { Given, Plan } from "./planner.ts";
import type { Traffic } from "./traffic.ts";

export interface PlanReport {
  /** ISO 8601. */
  readonly made: string;
  readonly shimmy: string;
  readonly machine: {
    readonly platform: string;
    readonly processor: string;
    /** Physical cores that may be used. */
    readonly cores: number;
    readonly memoryBytes: number;
    readonly availableBytes: number;
    readonly node: string;
    /** Descriptions of the GPUs that an engine can use here. */
    readonly gpus: readonly string[];
    /** Whether the model is computed on one of them. */
    readonly usesGpu: boolean;
    /** What would bring more, as typed. */
    readonly installable: readonly string[];
  };
  readonly model: {
    readonly id: string;
    readonly sizeBytes: number;
    readonly quantization: string;
    readonly parameters: number;
    /** Of training, in tokens. */
    readonly contextLength: number;
  };
  readonly traffic: Traffic;
  readonly given: Given;
  readonly measured: Measured;
  readonly plan: Plan;
}
