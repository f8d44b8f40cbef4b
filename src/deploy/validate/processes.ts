/**
 * Which processes are the instance's. Called by the checks that look at them. What listens at its port may be a proxy or a tunnel, whose
 * memory says nothing: its engines, which the instance tells, must be its children.
 */
import { parentOf, processTree } from "../processes.ts";
import { listed, record } from "./shapes.ts";
import type { Server, Subject } from "./subject.ts";

/** @returns its processes with those of its engines; a text: why they cannot be known. */
export async function processesOf({ server, own, pid }: Pick<Subject, "server" | "own" | "pid">): Promise<readonly number[] | string> {
  if (pid === undefined) return "its process is not on this machine, or cannot be seen";
  const tree = processTree(pid);
  if (!tree) return "this system does not tell";
  if (own) return tree;
  const engines = await enginesOf(server);
  if (engines.length === 0) return "no model is loaded, so its process cannot be told from a proxy's";
  return engines.every((engine) => parentOf(engine) === pid)
    ? tree
    : "what listens there is not the server itself (a proxy, a tunnel, a container)";
}

/** Processes of the loaded models as the instance tells them, on its own machine. @throws server_unreachable */
export async function enginesOf(server: Server): Promise<readonly number[]> {
  return listed(record((await server.ask("/api/ps")).json)?.models).map((each) => Number(record(each)?.pid));
}
