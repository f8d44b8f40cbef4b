/** What stands before the instances: nothing, one of Debian's balancers, or a Shimmy with `upstreams`. Used by scene.ts. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BalancerName, startBalancer } from "../../test/support/balancer.ts";
import { startServer } from "../../test/support/server.ts";
import type { Instances } from "./instances.ts";

export const PATTERNS = ["single", "direct", "nginx", "haproxy", "gateway", "nginx-round-robin"] as const;
/** `direct`: no balancer, client i asks instance i; what balancers are measured by. */
export type Pattern = (typeof PATTERNS)[number];

export interface Front {
  /** Where clients send their requests. */
  readonly urls: readonly string[];
  stop(): Promise<unknown>;
}

export function instancesOf(pattern: Pattern): number {
  return pattern === "single" ? 1 : 3;
}

/** @param port of the first instance; the ones behind those of the instances are free */
export async function frontOf(pattern: Pattern, instances: Instances, folder: string, port: number): Promise<Front> {
  const { urls } = instances;
  const balanced = async (name: BalancerName, edit?: (text: string) => string): Promise<Front> => {
    const own = join(folder, pattern);
    mkdirSync(own, { recursive: true });
    const balancer = await startBalancer({ name, folder: own, port, instances: urls.length, ...(edit && { edit }) });
    return { urls: [balancer.url], stop: balancer.stop };
  };
  switch (pattern) {
    case "single":
    case "direct":
      return { urls, stop: async () => undefined };
    case "nginx":
    case "haproxy":
      return balanced(pattern);
    // Only to see what the hash is good for.
    case "nginx-round-robin":
      return balanced("nginx", (text) => text.replace(/^ *hash .*;$/m, ""));
    case "gateway": {
      const gateway = await startServer({ args: ["--no-embedded-model", ...urls.flatMap((url) => ["--upstream", url])] });
      return { urls: [gateway.url], stop: gateway.stop };
    }
  }
}
