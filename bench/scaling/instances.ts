/** Three Shimmies on ports that stay theirs: killed, drained, started again, and what they say they have received. Used by scene.ts. */
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { startServer, type TestServer, until } from "../../test/support/server.ts";

export interface InstancesOptions {
  readonly folder: string;
  /** Of the first; the others follow. */
  readonly port: number;
  readonly count: number;
  readonly args: readonly string[];
}

/** A request as an instance logged it at its end. One that was killed says nothing of what it was just doing. */
export interface Receipt {
  readonly instance: number;
  /** The client's. */
  readonly traceId: string;
  readonly status: number;
  readonly completionTokens: number;
}

export class Instances {
  readonly #options: InstancesOptions;
  /** Takes the spans and forgets them: with traces on, the log tells the client's id. */
  readonly #collector: Server;
  readonly #servers: TestServer[] = [];
  /** What those wrote that are gone. */
  readonly #written: string[];

  private constructor(options: InstancesOptions, collector: Server) {
    this.#options = options;
    this.#collector = collector;
    this.#written = Array.from({ length: options.count }, () => "");
  }

  static async start(options: InstancesOptions): Promise<Instances> {
    const collector = createServer((request, response) => {
      request.resume().once("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const instances = new Instances(options, collector);
    await Promise.all(Array.from({ length: options.count }, (_, index) => instances.begin(index)));
    return instances;
  }

  get urls(): readonly string[] {
    return this.#servers.map(({ url }) => url);
  }

  /** Starts it, or starts it again on its port. */
  async begin(index: number): Promise<void> {
    const { folder, port, args } = this.#options;
    const cwd = join(folder, `instance-${index}`);
    mkdirSync(cwd, { recursive: true });
    const endpoint = `http://127.0.0.1:${(this.#collector.address() as AddressInfo).port}`;
    const log = ["--log-format", "json", "--log-level", "info"];
    this.#servers[index] = await startServer({
      args: ["--bind", `127.0.0.1:${port + index}`, "--max-queue", "1000", ...log, ...args],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, SHIMMY_MODEL_STORES: "off" },
      cwd,
    });
  }

  /** SIGKILL; its engine sees the channel close and ends too. */
  async kill(index: number): Promise<void> {
    const { process } = this.#servers[index]!;
    const ended = new Promise((resolve) => process.once("close", resolve));
    process.kill("SIGKILL");
    await ended;
    this.#keep(index);
  }

  /** SIGKILL to its engine alone. */
  async killEngine(index: number): Promise<void> {
    const server = this.#servers[index]!;
    await until(async () => (await server.engines()).length > 0);
    for (const pid of await server.engines()) process.kill(pid, "SIGKILL");
  }

  /** SIGTERM. @returns its exit code */
  async drain(index: number): Promise<number | null> {
    const code = await this.#servers[index]!.stop();
    this.#keep(index);
    return code;
  }

  receipts(): Receipt[] {
    return this.#written.flatMap((written, instance) => {
      const now = this.#servers[instance]!;
      const text = now.process.exitCode === null && now.process.signalCode === null ? written + now.stderr() : written;
      return text.split("\n").flatMap((line) => receiptOf(line, instance));
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => (server.process.exitCode === null ? server.stop() : undefined)));
    this.#collector.closeAllConnections();
    this.#collector.close();
  }

  #keep(index: number): void {
    this.#written[index] += this.#servers[index]!.stderr();
  }
}

function receiptOf(line: string, instance: number): Receipt[] {
  if (!line.includes('"traceId"')) return [];
  const { traceId, status = 0, completionTokens = 0 } = JSON.parse(line) as Partial<Receipt>;
  return traceId === undefined ? [] : [{ instance, traceId, status, completionTokens }];
}
