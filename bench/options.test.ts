import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.ts";

describe("parseOptions", () => {
  it("measures start-up and decode, ours against the reference with the same slots, when nothing is said", () => {
    const options = parseOptions([])!;
    expect(options.startup).toBe(true);
    expect(options.workloads.map((w) => w.name)).toEqual(["decode"]);
    expect(options.servers).toEqual(["ours", "reference"]);
    expect(options.referenceSlots).toBe(options.slots);
    expect(options.clients).toBeUndefined();
  });

  it("lets the reference have other slots, and flags go through as they are", () => {
    const options = parseOptions(["--slots", "16", "--reference-slots", "8", "--reference-flags=--kv-unified --poll 0", "--retries", "0"])!;
    expect([options.slots, options.referenceSlots, options.retries]).toEqual([16, 8, 0]);
    expect(options.referenceFlags).toEqual(["--kv-unified", "--poll", "0"]);
  });

  it.each([
    [["--workloads", "dekode"], "unknown workload dekode"],
    [["--servers", "ollama"], "unknown server ollama"],
    [["--rounds", "0"], "--rounds: 0 is not a whole number"],
    [["--clients", "1,x"], "--clients: x is not a whole number"],
  ])("refuses %j", (argv, message) => {
    expect(() => parseOptions(argv)).toThrow(message);
  });
});
