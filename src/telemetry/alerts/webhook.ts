/**
 * Tells a webhook what became of alerts, again and again until it has taken it. Called by watch.ts; it must not know what an alert is.
 * Bounded: of each subject only the latest word waits, and after `MOST_TRIES` it is given up (some 15 minutes).
 */
import { setTimeout as delay } from "node:timers/promises";
import { TimeLimit, timeLimit } from "../../contract/time-limit.ts";
import type { Logger } from "../log.ts";

export interface WebhookOptions {
  /** May hold a secret: only its host is logged. */
  readonly url: string;
  readonly log: Logger;
  /** Milliseconds before the second try; twice as long before each further one, at most a minute. */
  readonly firstWaitMs?: number;
  /** Milliseconds until a receiver that says nothing has not taken it. */
  readonly answerWithinMs?: number;
}

export const MOST_TRIES = 20;
const LONGEST_WAIT_MS = 60_000;
const ANSWER_WITHIN_MS = 10_000;

interface Delivery {
  body: unknown;
  taken: () => void;
  tries: number;
}

type Outcome =
  | { readonly taken: true }
  | { readonly taken: false; readonly again: boolean; readonly reason: string; readonly afterMs?: number };

export class Webhook {
  readonly #url: URL;
  /** fetch takes no address with a name and a password in it. */
  readonly #authorization: string | undefined;
  readonly #log: Logger;
  readonly #firstWaitMs: number;
  readonly #answerWithinMs: number;
  readonly #open = new Map<string, Delivery>();
  readonly #stop = new AbortController();

  constructor({ url, log, firstWaitMs = 1000, answerWithinMs = ANSWER_WITHIN_MS }: WebhookOptions) {
    this.#url = new URL(url);
    const { username, password } = this.#url;
    const [name, secret] = [username, password].map(decodeURIComponent);
    this.#authorization = username || password ? `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}` : undefined;
    this.#url.username = "";
    this.#url.password = "";
    this.#log = log;
    this.#firstWaitMs = firstWaitMs;
    this.#answerWithinMs = answerWithinMs;
  }

  /** What was to be told of the subject before, and was not taken yet, is forgotten: the receiver wants to know how things are. `taken`: it has. */
  tell(subject: string, body: unknown, taken: () => void = () => undefined): void {
    const open = this.#open.get(subject);
    if (open) {
      open.body = body;
      open.taken = taken;
      open.tries = 0;
      return;
    }
    const delivery = { body, taken, tries: 0 };
    this.#open.set(subject, delivery);
    void this.#deliver(subject, delivery);
  }

  /** What is not taken yet never will be. */
  stop(): void {
    this.#stop.abort();
  }

  /** Never rejects. */
  async #deliver(subject: string, delivery: Delivery): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const { body, taken } = delivery;
      const outcome = await this.#post(body);
      if (outcome.taken) taken();
      const newer = delivery.body !== body;
      if (!newer && (outcome.taken || this.#isGivenUp(subject, delivery, outcome))) break;
      if (outcome.taken) continue;
      const wait = Math.max(outcome.afterMs ?? 0, Math.min(this.#firstWaitMs * 2 ** Math.max(0, delivery.tries - 1), LONGEST_WAIT_MS));
      await delay(wait, undefined, { signal, ref: false }).catch(() => undefined); // stopped: the loop ends
    }
    this.#open.delete(subject);
  }

  #isGivenUp(subject: string, delivery: Delivery, { again, reason }: Extract<Outcome, { taken: false }>): boolean {
    delivery.tries++;
    if (this.#stop.signal.aborted) return true;
    const givenUp = !again || delivery.tries >= MOST_TRIES;
    const fields = { alert: subject, host: this.#url.host, reason, tries: delivery.tries };
    if (givenUp) this.#log.error("alert webhook: given up", fields);
    else if (delivery.tries === 1) this.#log.warn("alert webhook: not taken, it is tried again", fields);
    return givenUp;
  }

  async #post(body: unknown): Promise<Outcome> {
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json", ...(this.#authorization && { authorization: this.#authorization }) },
        body: JSON.stringify(body),
        redirect: "manual", // a POST that is redirected arrives without its body
        signal: AbortSignal.any([this.#stop.signal, timeLimit(this.#answerWithinMs)]),
      });
      await response.body?.cancel();
      if (response.ok) return { taken: true };
      const again = response.status >= 500 || response.status === 429 || response.status === 408;
      const seconds = Number(response.headers.get("retry-after"));
      const afterMs = seconds > 0 ? Math.min(seconds * 1000, LONGEST_WAIT_MS) : 0;
      return { taken: false, again, reason: `it answered ${response.status}`, afterMs };
    } catch (error) {
      return { taken: false, again: true, reason: reasonOf(error) };
    }
  }
}

/** Without the address: `fetch` names it in some of its messages. */
function reasonOf(error: unknown): string {
  if (error instanceof TimeLimit) return `no answer in ${error.ms / 1000} s`;
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return "it cannot be reached";
  return (cause as NodeJS.ErrnoException).code?.toString() ?? cause.name;
}
