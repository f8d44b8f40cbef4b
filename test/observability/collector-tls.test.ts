/** Traces over TLS: whose certificate a collector may have, and ours where it asks for one. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { Exporter, type WireSpan } from "../../src/telemetry/tracing/exporter.ts";
import { traceSettings } from "../../src/telemetry/tracing/settings.ts";
import { temporaryFolder } from "../support/command.ts";

const SPAN: WireSpan = {
  ...{ traceId: "1".repeat(32), spanId: "2".repeat(16), name: "a", kind: 2, flags: 1 },
  ...{ startTimeUnixNano: "1", endTimeUnixNano: "2", attributes: [], status: { code: 0 } },
};

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!hasOpenssl())(
  "a collector with a certificate of its own is believed by OTEL_EXPORTER_OTLP_CERTIFICATE alone (needs openssl)",
  async () => {
    const folder = temporaryFolder();
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const names = ["-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        ...names,
        "-keyout",
        key,
        "-out",
        cert,
      ],
      {
        stdio: "ignore",
      },
    );
    const own = { key: readFileSync(key), cert: readFileSync(cert) };
    const callers: unknown[] = [];
    const collector = createServer({ ...own, ca: own.cert, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      callers.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN);
      response.end("{}");
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const send = async (env: Readonly<Record<string, string>>) => {
      const counted = { exported: 0, dropped: 0 };
      const endpoint = `https://127.0.0.1:${(collector.address() as AddressInfo).port}`;
      const told: string[] = [];
      const settings = traceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env }, (reason) => told.push(reason))!;
      const count = (outcome: "exported" | "dropped", spans: number) => {
        counted[outcome] += spans;
      };
      const exporter = new Exporter({ ...settings, version: "1", count, warn: (reason) => told.push(reason) });
      exporter.add([SPAN]);
      await exporter.close();
      return { ...counted, told };
    };
    try {
      expect(await send({})).toEqual({ exported: 0, dropped: 1, told: ["DEPTH_ZERO_SELF_SIGNED_CERT"] });
      expect(await send({ OTEL_EXPORTER_OTLP_CERTIFICATE: cert })).toEqual({ exported: 1, dropped: 0, told: [] });
      const mine = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: cert, OTEL_EXPORTER_OTLP_CLIENT_KEY: key };
      expect(await send({ OTEL_EXPORTER_OTLP_CERTIFICATE: cert, ...mine })).toMatchObject({ exported: 1 });
      expect(callers).toEqual([undefined, "collector"]);
      expect(await send({ OTEL_EXPORTER_OTLP_CERTIFICATE: key })).toMatchObject({ exported: 0, dropped: 1 });
    } finally {
      collector.closeAllConnections();
      collector.close();
    }
  },
);
