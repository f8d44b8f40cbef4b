/**
 * Responses that are being made now, by id: so that they can be looked at and called off. Used by create.ts, the routes,
 * and whoever waits for them at the end of the server.
 */
import type { WireObject } from "../../contract/responses.ts";

export interface Running {
  readonly caller: string | undefined;
  /** As it is now. */
  snapshot(): WireObject;
  /** Ends the work; `done` resolves soon after. */
  cancel(): void;
  /** Resolves to the response as it ended. */
  readonly done: Promise<WireObject>;
}

export class RunningResponses {
  private readonly byId = new Map<string, Running>();

  add(id: string, running: Running): void {
    this.byId.set(id, running);
  }

  remove(id: string): void {
    this.byId.delete(id);
  }

  /** Resolves when none runs any more, or after so many milliseconds. */
  async ended(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all([...this.byId.values()].map(({ done }) => done)), late]);
    clearTimeout(timer);
  }

  /** Whoever did not ask for it does not find it. */
  get(id: string, caller: string | undefined): Running | undefined {
    const running = this.byId.get(id);
    return running?.caller === caller ? running : undefined;
  }
}

const ofServices = new WeakMap<object, RunningResponses>();

/** Of one server. */
export function runningOf(services: object): RunningResponses {
  let running = ofServices.get(services);
  if (!running) {
    running = new RunningResponses();
    ofServices.set(services, running);
  }
  return running;
}
