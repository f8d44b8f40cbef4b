/**
 * The content of a compaction item: a summary that the model itself wrote. OpenAI encrypts it; here it is the caller's own text, only
 * wrapped, so that ours is told from one of OpenAI's, which nobody here can read. Called by input.ts and answer.ts.
 */

const MARK = "shimmy-summary:";

export function seal(summary: string): string {
  return MARK + Buffer.from(summary, "utf8").toString("base64");
}

/** @returns undefined for what was not sealed here. */
export function unseal(content: string): string | undefined {
  return content.startsWith(MARK) ? Buffer.from(content.slice(MARK.length), "base64").toString("utf8") : undefined;
}

/** What is asked of the model to be compacted. */
export const SUMMARY_REQUEST =
  "Summarise this conversation so that another assistant can go on with the work without having seen it. Say what the user wants, what was " +
  "decided and done, the names, paths, values and results that matter, and what is still to be done. Write the summary only.";

export const SUMMARY_HEAD = "Summary of the conversation so far:\n\n";
