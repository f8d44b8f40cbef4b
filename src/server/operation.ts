/** What a route asks of a model, in the words of OpenTelemetry's `gen_ai.operation.name`, and Shimmy's own where it has none. */

const OPERATIONS: ReadonlyArray<readonly [route: RegExp, operation: string]> = [
  [/\/(chat\/completions|responses|responses\/compact|messages|chat)$/, "chat"],
  [/\/(completions?|infill|generate)$/, "text_completion"],
  [/\/(embeddings?|embed)$/, "embeddings"],
  [/\/(rerank|score)$/, "rerank"],
];

const known = new Map<string, string | undefined>();

/** @param route the pattern, so there are few. @returns undefined where nothing is asked of a model */
export function operationOf(route: string): string | undefined {
  if (!known.has(route)) known.set(route, OPERATIONS.find(([pattern]) => pattern.test(route))?.[1]);
  return known.get(route);
}
