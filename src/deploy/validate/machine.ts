/** Before deployment: the port, the processors, what the engine needs. Called by checks.ts. */
import { hostPort } from "../../config/kinds.ts";
import { type Check, type Finding, fail, pass, unmeasured, warn } from "../check.ts";
import { counted } from "../figures.ts";
import { holderText, lookAtPort, type PortState } from "../ports.ts";
import { asked } from "./silence.ts";
import type { EngineFacts, Subject } from "./subject.ts";

export interface WantedPort {
  readonly host: string;
  readonly port: number;
  /** The next free one is taken instead. */
  readonly nextFree: boolean;
}

/** @param wanted absent: it listens already. */
export function portCheck(group: string, subject: Subject, wanted: WantedPort | undefined): Check {
  return {
    group,
    name: "port",
    run: async () => {
      if (wanted) return judgePort(wanted, await lookAtPort(wanted.host, wanted.port));
      return subject.dead
        ? unmeasured("the server does not answer")
        : pass(`it listens at ${subject.server.url}`, { limit: "free, or Shimmy's" });
    },
  };
}

export function judgePort({ host, port, nextFree }: WantedPort, state: PortState): Finding {
  const limit = "free, or Shimmy's";
  const address = hostPort(host, port);
  if (port === 0) return pass("the system chooses one", { limit });
  if (state.free) return pass(`${address} is free`, { limit });
  if (state.outdated)
    return warn(`the Shimmy on ${address} was updated or removed while it runs`, "Restart it: what it had not loaded fails.", { limit });
  if (state.holder === "shimmy") return pass(`a Shimmy listens on ${address}`, { limit });
  if (state.code === "EACCES")
    return fail(`${address} is not for this user`, "Use a port above 1023.", { limit, command: "shimmy serve --port 11435" });
  if (state.code !== "EADDRINUSE")
    return fail(`nobody can listen on ${address} (${state.code})`, "Bind an address that this machine has.", {
      limit,
      command: "shimmy serve --bind 127.0.0.1:11435",
    });
  const measured = `${address} is taken by ${holderText(state)}`;
  const command = "shimmy serve --bind 127.0.0.1:0";
  return nextFree
    ? warn(measured, "The next free port would be used: name one if clients should find it.", { limit, command })
    : fail(measured, "End that program, or use another port.", { limit, command });
}

export function engineChecks(group: string, subject: Subject, threads: number): Check[] {
  const check = (name: string, judge: (facts: EngineFacts) => Finding): Check => ({
    group,
    name,
    run: () => asked(subject, async () => judge(await subject.engines())),
  });
  return [check("processors", (facts) => judgeCores(facts, threads)), check("dependencies", judgeEngines)];
}

export function judgeCores({ cores, processors }: EngineFacts, threads: number): Finding {
  const more = { value: cores, limit: threads > 0 ? `≥ ${threads} (--threads)` : "≥ 1" };
  if (cores >= Math.max(1, threads)) return pass(counted(cores, "core"), more);
  const advice =
    threads > processors
      ? `Engines get ${counted(processors, "thread")}, not ${threads}, for no more can run at once: leave --threads out.`
      : "More threads than cores make every step slower: leave --threads out.";
  return warn(counted(cores, "core"), advice, more);
}

export function judgeEngines({ engines, installable }: EngineFacts): Finding {
  const limit = "≥ 1 engine opens";
  const good = engines.filter(({ problem }) => problem === undefined);
  const bad = engines.filter(({ problem }) => problem !== undefined).map(({ name, problem }) => `${name}: ${problem}`);
  if (good.length === 0)
    return fail(bad.join("; ") || "no engine is installed", "Install Shimmy again with its optional packages.", {
      limit,
      command: "npm install --include=optional",
    });
  const measured = `${good.map(({ name }) => name).join(", ")}; Node ${process.versions.node}`;
  if (bad.length > 0)
    return warn(`${measured}; not usable: ${bad.join("; ")}`, "The others are used instead.", { limit, command: "shimmy doctor" });
  return pass(installable.length > 0 ? `${measured}; could be added: ${installable.join(", ")}` : measured, { limit });
}
