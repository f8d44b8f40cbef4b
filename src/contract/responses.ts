/** Answers of the Responses API that are kept: what the routes ask for and a store gives. Plain data. */

export interface StoredResponse {
  /** `resp_` and 32 hexadecimal digits. */
  readonly id: string;
  /** Who asked, as an opaque name; absent where no keys are asked for. */
  readonly caller?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Every item that the model was shown, earlier turns included, each with an id. */
  readonly input: readonly unknown[];
  /** The Response object as it was told, its output included. */
  readonly response: WireObject;
}

export type WireObject = Readonly<Record<string, unknown>>;

/** Whoever did not ask for a response does not find it. */
export interface ResponseStore {
  get(id: string, caller: string | undefined): Promise<StoredResponse | undefined>;
  /** Found from now on; written soon, and with an error only in the log. The oldest make room. */
  put(stored: StoredResponse): void;
  /** @returns false: there is none. */
  delete(id: string, caller: string | undefined): Promise<boolean>;
  /** Resolves when all is written. */
  close(): Promise<void>;
}
