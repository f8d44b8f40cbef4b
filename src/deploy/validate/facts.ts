/** What the instance itself tells of its models and engines, over Shimmy's own routes. Called by cli/validate.ts. */
import { listed, record } from "./shapes.ts";
import type { EngineFacts, ModelFacts, Server } from "./subject.ts";

/** Loading its drivers takes an engine seconds. */
const DEVICES_MS = 120_000;

/** Without the folders that it was given: paths are not told over HTTP. Of what is not loaded, only the size of its files is known. */
export async function modelFacts(server: Server): Promise<ModelFacts> {
  const [models, running, found] = [
    record((await server.ask("/api/models")).json),
    record((await server.ask("/api/ps")).json),
    record((await server.ask("/api/models/discover", { method: "POST", body: {} })).json),
  ];
  const needed = new Map(listed(running?.models).map((each) => [record(each)?.model, Number(record(each)?.memory_bytes)]));
  const budget = record(running?.memory)?.budget_bytes;
  return {
    models: listed(models?.models).flatMap((each) => {
      const { name, aliases, size_bytes, state, capabilities } = record(each) ?? {};
      if (typeof name !== "string") return [];
      const sizeBytes = Number(size_bytes);
      const can = listed(capabilities);
      return {
        id: name,
        aliases: listed(aliases).map(String),
        sizeBytes,
        neededBytes: needed.get(name) || sizeBytes,
        generates: can.includes("completion") || can.includes("chat"),
        embeds: can.includes("embedding"),
        loaded: state === "loaded",
      };
    }),
    folders: [],
    unusable: listed(found?.places).flatMap((place) =>
      listed(record(place)?.skipped).flatMap((each) => {
        const { file, reason } = record(each) ?? {};
        return typeof file === "string" && /\.gguf$/i.test(file) ? [{ file, reason: String(reason), certain: false }] : [];
      }),
    ),
    ...(typeof budget === "number" && { budgetBytes: budget }),
  };
}

export async function engineFacts(server: Server): Promise<EngineFacts> {
  const { cores, processors, engines, installable } = record((await server.ask("/api/devices", { limitMs: DEVICES_MS })).json) ?? {};
  return {
    cores: Number(cores ?? 0),
    processors: Number(processors ?? cores ?? 0),
    engines: listed(engines).map((each) => {
      const { name, backend, problem } = record(each) ?? {};
      return { name: String(name), backend: String(backend), ...(typeof problem === "string" && { problem }) };
    }),
    installable: listed(installable).map((each) => String(record(each)?.command)),
  };
}
