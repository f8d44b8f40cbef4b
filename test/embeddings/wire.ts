/** The answers of the endpoints for vectors and scores, as far as tests read them. */
export interface Wire {
  readonly model: string;
  readonly data: ReadonlyArray<{ readonly index: number; readonly object: string; readonly embedding: number[]; readonly score: number }>;
  readonly results: ReadonlyArray<{ readonly index: number; readonly relevance_score: number }>;
  readonly usage: { readonly prompt_tokens: number };
  readonly error?: { readonly code: string; readonly param: string };
}

export async function wire(response: Response): Promise<Wire> {
  return (await response.json()) as Wire;
}
