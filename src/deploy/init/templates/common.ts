/**
 * What several templates say alike: times, the pull of models, the page of a small application. Read by the templates beside it.
 * Everything in the options has passed the strict patterns of the frame, so it stands in files without quoting of its own.
 */
import { ShimmyError } from "../../../contract/errors.ts";
import type { TemplateOptions } from "../options.ts";

/** Seconds that running answers get after SIGTERM. */
export const DRAIN_SECONDS = 120;

/** Seconds after SIGTERM in which everything is still answered: HAProxy's two checks (2 s, then 500 ms) have seen it by then. */
export const SETTLE_SECONDS = 3;

/** From SIGTERM to SIGKILL: the settling and the drain, and some time to end the engines. */
export const STOP_SECONDS = DRAIN_SECONDS + 30;

/**
 * Shell: each model is fetched and all are read and compared with their digests. A hub that cannot be reached is no reason to stay away
 * if the model is there already; a name without an owner is none of the hub's and must be there.
 */
export function pullLines({ models }: TemplateOptions): readonly string[] {
  const lines = models.map((model) => `${isOfHub(model) ? `shimmy pull ${model} || ` : ""}shimmy show ${model} > /dev/null`);
  return [...lines, "shimmy verify"];
}

function isOfHub(model: string): boolean {
  return model.includes("/") && !/^[./]/.test(model);
}

/** Those that `shimmy pull` can fetch. */
export function ofHub({ models }: Pick<TemplateOptions, "models">): readonly string[] {
  return models.filter(isOfHub);
}

/** For people: the models that nothing fetches. "" if there are none; shimmy-tiny comes with the package. @param place "the volume" */
export function notOfHub({ models }: TemplateOptions, place: string): string {
  const names = models.filter((model) => !isOfHub(model) && model !== "shimmy-tiny");
  return names.length === 0 ? "" : ` ${listed({ models: names })}: no hub has them, so they must be in ${place} before.`;
}

/** Ports that only root may listen on, where nothing says otherwise. */
export function isPrivileged({ port }: Pick<TemplateOptions, "port">): boolean {
  return port < 1024;
}

/** @param who "start.sh" @throws invalid_value where a template cannot give the right to such a port */
export function refusePrivileged(options: TemplateOptions, who: string): void {
  if (isPrivileged(options))
    throw new ShimmyError("invalid_value", { param: "--port", reason: `below 1024 only root may listen, and ${who} does not` });
}

/** For people: `a`, `b`. */
export function listed({ models }: Pick<TemplateOptions, "models">): string {
  return models.map((model) => `\`${model}\``).join(", ");
}

export function mebibytes({ memoryBytes }: TemplateOptions): number {
  return memoryBytes / 1024 ** 2;
}

/** The lines, each behind as many spaces. */
export function indented(lines: readonly string[], spaces: number): string {
  return lines.map((line) => " ".repeat(spaces) + line).join("\n");
}

/** Beyond it one machine is not what they run on. */
const MOST_INSTANCES = 100;

/**
 * Addresses of the instances on one machine: the port, and those that follow it.
 * @throws invalid_value if there are not so many ports
 */
export function instances({ port, replicas }: TemplateOptions): ReadonlyArray<{ readonly id: string; readonly port: number }> {
  const most = Math.min(MOST_INSTANCES, 65_536 - port);
  if (replicas > most) throw new ShimmyError("invalid_value", { param: "--replicas", reason: `at most ${most} fit on one machine here` });
  return Array.from({ length: replicas }, (_, index) => ({ id: `shimmy-${index + 1}`, port: port + index }));
}

/** Where a balancer listens: beside its instances. */
export function frontPort({ port, replicas }: TemplateOptions): number {
  return port <= 8080 && 8080 < port + replicas ? port + replicas : 8080;
}

/** The model that a new server answers with, as settings of the environment. */
export function modelVariables({ models: [first] }: TemplateOptions): Readonly<Record<string, string>> {
  return first === undefined ? {} : { SHIMMY_DEFAULT_MODEL: first };
}

/** How a key is made; it is in no file that is written. */
export const NEW_KEY = '"$(openssl rand -hex 32)"';

export const AFFINITY_NOTE = `## Who is sent where

Shimmy computes a prompt that begins like an earlier one only from where they differ, if the same instance answers. So requests are hashed,
not spread: by the header \`X-Session-Id\` if the client sends one (a conversation, a document, a user), else by its API key, else by its
address. The hash is consistent: when an instance goes, only its own share moves. Stored responses, files and batches live in the
instance that made them, so a client that uses them keeps its key and sends no \`X-Session-Id\`.

The text of the prompt itself is not looked at: it is in the body, and a balancer that waits for bodies to hash them is slower than it is clever.`;
