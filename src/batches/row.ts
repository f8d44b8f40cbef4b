/** A line of an output or error file, as OpenAI writes it ("request output object" of its API reference). Called by run.ts and finish.ts. */
import { randomBytes } from "node:crypto";

export function newRowId(): string {
  return `batch_req_${randomBytes(16).toString("hex")}`;
}

export interface Row {
  readonly id: string;
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly request_id: string; readonly body: unknown } | null;
  /** Of lines that were never answered; a refusal of the server is a response. */
  readonly error: { readonly code: string; readonly message: string } | null;
}
