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
}

export interface Alerts {
  /** In the order of the configuration. */
  statuses(): readonly AlertStatus[];
}
