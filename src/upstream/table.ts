/**
 * The lists of all upstreams and the local one → which models there are, and who has each. Called by combined.ts; pure.
 *
 * Two models of one name are one, unless what is known of both shows that they are not. Then the one that comes later is listed as
 * `id@upstream`; what is local keeps its name.
 */
import type { ModelInfo, ModelStatus } from "../contract/model.ts";
import type { Listing, RemoteModel } from "./listing.ts";

/** An upstream as the table sees it. */
export interface Lister {
  readonly name: string;
  readonly listing: Listing | undefined;
}

/** A model that upstreams have. */
export interface RemoteGroup<U extends Lister> {
  readonly status: ModelStatus;
  /** The same model is here too. */
  readonly local: boolean;
  /** Who has it, and how they spell it. */
  readonly members: ReadonlyArray<{ readonly upstream: U; readonly id: string }>;
}

/** By our id. */
export type RemoteTable<U extends Lister> = ReadonlyMap<string, RemoteGroup<U>>;

export function remoteTable<U extends Lister>(upstreams: readonly U[], local: readonly ModelInfo[]): RemoteTable<U> {
  const here = new Map(local.map((info) => [info.id.toLowerCase(), info]));
  const groups = new Map<string, { status: ModelStatus; local: boolean; members: Array<{ upstream: U; id: string }> }>();
  for (const upstream of upstreams) {
    for (const model of upstream.listing?.models ?? []) {
      const { id } = model.info;
      const own = here.get(id.toLowerCase());
      const known = own ?? groups.get(id)?.status.info;
      const ours = !known || areSame(known, model.info) ? (own?.id ?? id) : `${id}@${upstream.name}`;
      const group = groups.get(ours);
      // An upstream that tells a model twice has it once.
      if (group?.members.some((member) => member.upstream === upstream)) continue;
      const member = { upstream, id };
      if (group) {
        group.members.push(member);
        if (model.state === "loaded") group.status = { ...group.status, state: "loaded" };
      } else groups.set(ours, { status: statusOf(model, ours), local: own?.id === ours, members: [member] });
    }
  }
  return groups;
}

function statusOf({ info, state, servedContext }: RemoteModel, id: string): ModelStatus {
  return { info: { ...info, id }, state, servedContext };
}

/** Zero is unknown. */
function areSame(a: ModelInfo, b: ModelInfo): boolean {
  return agree(a.sizeBytes, b.sizeBytes) && agree(a.parameters, b.parameters, 0.1);
}

/** A number that was guessed from a name ("8b") differs a little from the counted one. */
function agree(a: number, b: number, tolerance = 0): boolean {
  return a === 0 || b === 0 || Math.abs(a - b) <= tolerance * Math.max(a, b);
}
