/** The templates nginx and haproxy, run as they are written before real instances: affinity, streams, an instance killed and one drained. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { figuresOf } from "../../bench/scaling/figures.ts";
import { faults, scene } from "../../bench/scaling/scene.ts";
import { type Balancer, freePorts, startBalancer } from "../support/balancer.ts";
import { temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS } from "../support/work.ts";
import { missing } from "./made.ts";

for (const program of ["nginx", "haproxy"] as const) {
  const reason = missing(program);
  describe.skipIf(reason)(`${program}${reason ? ` (${reason})` : ""}`, () => {
    const folder = temporaryFolder();
    let instances: TestServer[] = [];
    let balancer: Balancer;
    let url: string;

    beforeAll(async () => {
      const port = await freePorts(4);
      instances = await Promise.all([0, 1, 2].map((index) => startServer({ args: ["--bind", `127.0.0.1:${port + index}`] })));
      balancer = await startBalancer({ name: program, folder, port, instances: 3 });
      expect(balancer.checked).not.toMatch(/warn|alert/i);
      ({ url } = balancer);
    }, 60_000);

    afterAll(async () => {
      await balancer?.stop();
      await Promise.all(instances.map((instance) => instance.stop()));
    });

    const complete = (session: string, body: object = {}, signal?: AbortSignal) =>
      fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-session-id": session, host: "llm.example.org" },
        body: JSON.stringify({ model: "shimmy-tiny", prompt: "Once", max_tokens: 4, ...body }),
        ...(signal && { signal }),
      });

    /** Requests that each instance has answered. */
    const answered = async () =>
      Promise.all(
        instances.map(async (instance) => {
          const text = await (await fetch(`${instance.url}/metrics`)).text();
          const lines = [...text.matchAll(/^shimmy_requests_total\{[^}]*route="\/v1\/completions"[^}]*\} (\d+)/gm)];
          return lines.reduce((sum, [, count]) => sum + Number(count), 0);
        }),
      );

    test("keeps a session with one instance, and different ones with different instances", async () => {
      for (let round = 0; round < 4; round++) expect((await complete("one")).status).toBe(200);
      expect((await answered()).filter((count) => count > 0)).toEqual([4]);
      for (let session = 0; session < 30; session++) expect((await complete(`session ${session}`)).status).toBe(200);
      expect((await answered()).every((count) => count > 0)).toBe(true);
    });

    test("holds back no token, and a client that goes ends the work", async () => {
      const stop = new AbortController();
      const { body } = await complete("endless", { ...ENDLESS, stream: true }, stop.signal);
      const reader = body!.getReader();
      // An answer without an end: whoever waited for all of it would never see a part.
      for (let part = 0; part < 3; part++) expect((await reader.read()).done).toBe(false);
      stop.abort();
      const running = async () => {
        const texts = await Promise.all(instances.map(async (instance) => (await fetch(`${instance.url}/metrics`)).text()));
        return texts.some((text) => /^shimmy_running_requests\{.*\} [1-9]/m.test(text));
      };
      await until(async () => !(await running()));
    });

    test("loses nothing that had not begun: an instance killed, an engine killed, one drained, all restarted", async () => {
      const run = await scene({ pattern: program, clients: 6, tokens: 16, args: ["--threads", "1"], play: faults });
      const { lost, truncated, wronglyRetried, cut, reasons, affinity } = figuresOf([run]);
      expect([...reasons.keys()].filter((reason) => !reason.startsWith("cut"))).toEqual([]);
      expect({ lost, truncated, wronglyRetried }).toEqual({ lost: 0, truncated: 0, wronglyRetried: 0 });
      // Only who was reading from what was killed.
      expect(cut).toBeLessThanOrEqual(12);
      expect(affinity).toBeGreaterThan(0.8);
    }, 120_000);
  });
}
