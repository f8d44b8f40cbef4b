/** nginx and HAProxy with a certificate, as the READMEs of their templates say: HTTPS from a client to a model, and a certificate that counts. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePorts, startBalancer } from "../support/balancer.ts";
import { shimmy, temporaryFolder } from "../support/command.ts";
import { startServer } from "../support/server.ts";
import { made, missing, ran } from "./made.ts";

const SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];

/** What the README says to write, and where. */
const PROGRAMS = [
  {
    name: "nginx",
    said: "listen 443 ssl",
    line: /listen 127\.0\.0\.1:\d+;/,
    secured: "listen ADDRESS ssl; ssl_certificate CERT; ssl_certificate_key CERT;",
  },
  { name: "haproxy", said: "bind :443 ssl crt FILE", line: /bind 127\.0\.0\.1:\d+/, secured: "bind ADDRESS ssl crt CERT" },
] as const;

for (const { name, said, line, secured } of PROGRAMS) {
  const reason = missing(name, "openssl");
  describe.skipIf(reason)(`${name}${reason ? ` (${reason})` : ""}`, () => {
    const folder = temporaryFolder();

    test("with a certificate as its README says", { timeout: 60_000 }, async () => {
      expect(readFileSync(join(await made(folder, name), `README-${name}.md`), "utf8")).toContain(said);
      const files = ["-keyout", "key.pem", "-out", "cert.pem"];
      const { code } = await ran(folder, "openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...SUBJECT, ...files]);
      expect(code).toBe(0);
      const cert = join(folder, "both.pem");
      writeFileSync(cert, ["cert.pem", "key.pem"].map((file) => readFileSync(join(folder, file), "utf8")).join(""));
      const port = await freePorts(3);
      const server = await startServer({ args: ["--bind", `127.0.0.1:${port}`] });
      const more = secured.replaceAll("CERT", cert).replace("ADDRESS", `127.0.0.1:${port + 2}`);
      const edit = (text: string) => text.replace(line, (plain) => `${plain}\n    ${more}`);
      onTestFinished(async () => void (await server.stop()));
      const run = join(folder, "run");
      mkdirSync(run);
      const balancer = await startBalancer({ name, folder: run, port, instances: 1, edit });
      onTestFinished(() => balancer.stop());
      const validate = async (env: Readonly<Record<string, string>>) => {
        const { stdout } = await shimmy(["validate", "--json", "--url", `https://127.0.0.1:${port + 2}`], { cwd: folder, env });
        const { checks } = JSON.parse(stdout) as { checks: ReadonlyArray<{ name: string; verdict: string; measured: string }> };
        return checks.filter(({ verdict, name }) => verdict === "fail" && name !== "time to first token");
      };
      expect(await validate({ NODE_EXTRA_CA_CERTS: join(folder, "cert.pem") })).toEqual([]);
      expect(await validate({})).toMatchObject([
        { name: "health", measured: expect.stringContaining("its certificate is not trusted here") },
      ]);
    });
  });
}
