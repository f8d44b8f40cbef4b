/** The templates nginx and haproxy, run as they are written before real instances: affinity, streams, an instance killed and one drained. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareEnvironment, temporaryFolder } from "../support/command.ts";
import { startServer, type TestServer, until } from "../support/server.ts";
import { ENDLESS } from "../support/work.ts";
import { freePorts, made, missing, ran } from "./made.ts";

const BALANCERS = [
  { program: "nginx", file: "nginx.conf", check: ["-t", "-c", "nginx.conf"], run: ["-c", "nginx.conf", "-g", "daemon off;"], prefix: true },
  { program: "haproxy", file: "haproxy.cfg", check: ["-c", "-f", "haproxy.cfg"], run: ["-W", "-f", "haproxy.cfg"], prefix: false },
] as const;

for (const { program, file, check, run, prefix } of BALANCERS) {
  const reason = missing(program);
  describe.skipIf(reason)(`${program}${reason ? ` (${reason})` : ""}`, () => {
    const folder = temporaryFolder();
    let instances: TestServer[] = [];
    let balancer: ChildProcess;
    let url: string;

    beforeAll(async () => {
      const port = await freePorts(4);
      const out = await made(folder, program, "--port", `${port}`, "--replicas", "3");
      mkdirSync(`${out}/temp`);
      // What else listens on 8080 of this machine is none of ours.
      const front = `127.0.0.1:${port + 3}`;
      const text = readFileSync(`${out}/${file}`, "utf8");
      writeFileSync(`${out}/${file}`, text.replace("127.0.0.1:8080", front));
      const placed = prefix ? ["-p", out] : [];
      const { code, stderr, stdout } = await ran(out, program, [...placed, ...check]);
      expect([code, `${stdout}${stderr}`]).toEqual([0, expect.not.stringMatching(/warn|alert/i)]);
      instances = await Promise.all([0, 1, 2].map((index) => startServer({ args: ["--bind", `127.0.0.1:${port + index}`] })));
      balancer = spawn(program, [...placed, ...run], { cwd: out, env: bareEnvironment(out), stdio: "ignore" });
      url = `http://${front}`;
      await until(() =>
        fetch(`${url}/health`).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    }, 60_000);

    afterAll(async () => {
      balancer?.kill("SIGTERM");
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

    test("loses nothing that had not begun, whether an instance is drained or killed", async () => {
      const outcomes: string[] = [];
      let going = true;
      const client = async (session: string) => {
        while (going) outcomes.push(await complete(session).then(({ status }) => `${status}`, String));
      };
      const clients = Array.from({ length: 4 }, (_, index) => client(`client ${index}`));
      const more = () => {
        const seen = outcomes.length;
        return until(() => outcomes.length > seen + 20);
      };
      const [drained, killed] = instances as [TestServer, TestServer];
      await more();
      expect(await drained.stop()).toBe(0);
      await more();
      killed.process.kill("SIGKILL");
      await more();
      going = false;
      await Promise.all(clients);
      expect(outcomes.filter((outcome) => outcome !== "200")).toEqual([]);
      instances = instances.slice(2);
    });
  });
}
