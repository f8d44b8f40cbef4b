/**
 * The instance that `shimmy validate` looks at: how it is asked, and what is known of it beside its answers. Made by cli/validate.ts; every
 * check of this folder gets one. It must not know how the instance was started.
 */
import type { Finding } from "../check.ts";
import type { OwnProcess } from "../own-server.ts";

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Undefined when the body is no JSON. */
  readonly json: unknown;
  /** Where it sends to; redirects are not followed. */
  readonly location?: string;
  readonly ms: number;
}

export interface Asked {
  readonly method?: "GET" | "POST";
  /** A string goes as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly limitMs?: number;
}

/** How long an answer that comes in pieces is waited for. */
export interface Patience {
  /** From one piece to the next; comments of a stream do not count. */
  readonly quietMs: number;
  /** For all of it. */
  readonly wholeMs: number;
}

export interface Server {
  readonly url: string;
  ask(path: string, asked?: Asked): Promise<Answer>;
  /** The body as it comes. @returns pieces of text, each with the time since the request was sent in ms. */
  stream(path: string, body: unknown, patience: Patience): AsyncGenerator<{ readonly text: string; readonly ms: number }, void, undefined>;
}

export interface Model {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly sizeBytes: number;
  /** What it takes of the memory when it is loaded, as planned; absent: unknown from here. */
  readonly neededBytes?: number;
  readonly generates: boolean;
  readonly embeds: boolean;
  readonly loaded: boolean;
}

export interface ModelFacts {
  readonly models: readonly Model[];
  /** Folders that somebody configured. */
  readonly folders: ReadonlyArray<{ readonly name: string; readonly exists: boolean; readonly readable: boolean; readonly models: number }>;
  /** Files that are broken, or that the server passed over (`certain` false: for whatever reason). */
  readonly unusable: ReadonlyArray<{ readonly file: string; readonly reason: string; readonly certain: boolean }>;
  /** Memory that models may take together; absent: unknown. */
  readonly budgetBytes?: number;
}

export interface EngineFacts {
  readonly cores: number;
  /** Threads that can run at once. */
  readonly processors: number;
  readonly engines: ReadonlyArray<{ readonly name: string; readonly backend: string; readonly problem?: string }>;
  readonly installable: readonly string[];
}

export interface Subject {
  readonly server: Server;
  /** Absent: it ran already. */
  readonly own?: OwnProcess;
  /** Of its process; of one that ran already, of whoever listens at its port, which may be a proxy (processes.ts). */
  readonly pid?: number;
  /** Why nothing can be asked of it: it did not start, nobody answers, or no Shimmy. */
  readonly dead?: Finding;
  /** What it answered to who has no right, or the wrong key. */
  readonly refused?: Finding;
  models(): Promise<ModelFacts>;
  engines(): Promise<EngineFacts>;
  /** Its engines' processes at the first wait in vain: asked once, so that a server that hangs does not hang every check once more. */
  enginesSeen(): Promise<readonly number[]>;
  /** The model that tests are made with; undefined: there is none that fits. */
  chosen(): Promise<Model | undefined>;
}

/** What the user named, and the ids that it may mean, the most literal first. */
export type Wanted = readonly [name: string, ...ids: string[]];

/** A loaded model first, since it costs nothing; then the smallest that fits, since the check is of the server and not of the model. */
export function chooseModel({ models, budgetBytes }: ModelFacts, wanted: Wanted | undefined): Model | undefined {
  if (wanted !== undefined) return modelNamed(models, wanted);
  const usable = models.filter(({ generates }) => generates);
  const fitting = usable.filter(({ neededBytes }) => neededBytes === undefined || budgetBytes === undefined || neededBytes <= budgetBytes);
  // Where none fits, one that is alone may be loaded all the same, so the smallest is worth a try.
  const candidates = fitting.length > 0 ? fitting : usable;
  return candidates.find(({ loaded }) => loaded) ?? [...candidates].sort((a, b) => a.sizeBytes - b.sizeBytes)[0];
}

export function modelNamed(models: readonly Model[], wanted: Wanted): Model | undefined {
  const named = (name: string) => models.find(({ id, aliases }) => id === name || aliases.includes(name));
  return wanted.map(named).find((model) => model !== undefined);
}
