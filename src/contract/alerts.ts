/** Alerts as the door and the commands see them. Given by telemetry/alerts/, read by GET /api/alerts. Plain data. */

export type AlertState = "ok" | "pending" | "firing";

/** What the numbers of a condition are: seconds, bytes, parts of one that are written in percent, or plain numbers. */
export type AlertUnit = "seconds" | "bytes" | "percent" | "number";

export interface AlertStatus {
  readonly name: string;
  /** The whole of it, with the left side. */
  readonly condition: string;
  /** pending: the condition holds, but not yet for as long as it must. */
  readonly state: AlertState;
  /** Of the two sides of the condition at the latest look; undefined while there is nothing to tell it from. 5 % is 0.05. */
  readonly value: number | undefined;
  readonly limit: number | undefined;
  readonly unit: AlertUnit;
  /** When it came into this state; milliseconds since the epoch. */
  readonly since: number;
  readonly windowSeconds: number;
  readonly holdSeconds: number;
  /** False: it is only listed. */
  readonly enabled: boolean;
  readonly severity: string;
  /** Those of the configuration. */
  readonly labels: Readonly<Record<string, string>>;
  /** For people, with what it stands at now. */
  readonly summary: string;
  readonly description: string;
  /** After so long the webhook is told again that it fires; 0: never. */
  readonly repeatSeconds: number;
  /** The webhook is not told of it until then; milliseconds since the epoch. */
  readonly silencedUntil?: number;
}

export interface Alerts {
  /** In the order of the configuration. */
  statuses(): readonly AlertStatus[];
  /**
   * For so long the webhook is not told that it fires, across restarts too where the disk can be written; 0: it is told again.
   * @returns how it stands, once it is on the disk; undefined: there is no such alert
   */
  silence(name: string, seconds: number): Promise<AlertStatus | undefined>;
}
