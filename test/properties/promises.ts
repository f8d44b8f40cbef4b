/** What a random request was promised, judged on its answer by ajv and by counting. For fold.test.ts. */
import { violation } from "../structured/schemas.ts";
import type { FoldedCall, FoldedChat, FoldedChoice } from "./fold.ts";
import type { Wish } from "./requests.ts";

/** Broken promises; none: all were kept. */
export function brokenPromises(wish: Wish, { choices, usage }: FoldedChat): string[] {
  const { limit, n, thoughts } = wish;
  const tokens = usage?.completion_tokens ?? 0;
  const thought = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  const off = "think" in thoughts || "reasoning_effort" in thoughts;
  return [
    ...(choices.length === n ? [] : [`${choices.length} choices`]),
    ...(usage && tokens > limit * n ? [`T18 ${tokens} tokens`] : []),
    ...(off && (thought > 0 || choices.some(({ reasoning }) => reasoning !== "")) ? ["T51 a thought"] : []),
    ...choices.flatMap((choice) => ofChoice(wish, choice)),
  ];
}

function ofChoice(wish: Wish, choice: FoldedChoice): string[] {
  const { content, reasoning, calls, finish } = choice;
  const cut = finish === "length";
  const broken = calls.flatMap((call, index) => ofCall(wish, call, cut && index === calls.length - 1));
  if (/<\/?think>/.test(reasoning) || /^\s*<\/?think>/.test(content)) broken.push("T50 marks of thoughts");
  if (finish === "tool_calls" ? calls.length === 0 : finish === "stop" && calls.length > 0) broken.push(`T37 ${finish}`);
  if (!["stop", "length", "tool_calls"].includes(finish!)) broken.push(`T37 ${finish}`);
  if ((wish.tools.length === 0 || wish.choice === "none") && calls.length > 0) broken.push("T42, T43 a call that nobody allowed");
  if (wish.tools.length > 0 && (!wish.parallel || wish.choice === "named") && calls.length > 1) broken.push("T40 several calls");
  const demanded = wish.tools.length > 0 && (wish.choice === "required" || wish.choice === "named");
  if (demanded && !cut && calls.length === 0) broken.push("T42 no call");
  if (demanded && !cut && content !== "") broken.push("T42 text where a call was demanded");
  // A stop string cuts JSON, and the caller wanted it so.
  if (!cut && calls.length === 0 && !wish.stop) broken.push(...ofText(wish, content));
  return broken;
}

function ofCall({ tools, choice }: Wish, { name, arguments: text }: FoldedCall, cut: boolean): string[] {
  const tool = tools.find((each) => each.name === name);
  if (!tool || (choice === "named" && tool !== tools[0])) return [`T42 a call of ${name}`];
  const reason = violation(tool.parameters, text);
  if (cut) return reason === undefined || isCutJson(text) ? [] : [`T38 cut, yet whole and wrong: ${text}`];
  return reason === undefined ? [] : [`arguments of ${name}: ${reason}: ${text}`];
}

function ofText({ format }: Wish, content: string): string[] {
  if (!format) return [];
  const reason = violation("schema" in format ? format.schema : { type: "object" }, content);
  return reason === undefined ? [] : [`T46, T47 ${reason}: ${content}`];
}

function isCutJson(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return error instanceof SyntaxError;
  }
}
