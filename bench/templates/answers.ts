/** One line of Markdown a template: how its answers will be written, and what the switches of thoughts do to the end of the prompt. Called by run.ts. */

import type { ChatTemplate } from "../../src/chat/template.ts";
import type { ChatPrompt, ReasoningWish } from "../../src/contract/generation.ts";
import { WEATHER } from "./conversations.ts";

export const ANSWERS_HEAD = [
  "| template | format of calls | thinks | opened: default, on, off | end when off | tools |",
  "|---|---|---|---|---|---|",
].join("\n");

export function answersOf(name: string, template: ChatTemplate): string {
  const shown = (reasoning?: ReasoningWish) => {
    const prompt: ChatPrompt = { kind: "chat", messages: [{ role: "user", content: "Hello!" }], ...(reasoning && { reasoning }) };
    const { segments, answer } = template.render(prompt);
    return { text: segments.map(({ text }) => text).join(""), answer };
  };
  const [usual, on, off] = [shown(), shown({ enabled: true }), shown({ enabled: false })];
  const state = ({ answer }: typeof usual) => (answer.thought ? (answer.thought.opened ? "yes" : "model") : "closed");
  const { warnings, answer } = template.render({ kind: "chat", messages: [{ role: "user", content: "Hello!" }], tools: [WEATHER] });
  const thinks = usual.answer.thinks ? (usual.answer.thought?.open ?? on.answer.thought?.open ?? "yes") : "no";
  const end = usual.answer.thinks ? `\`${JSON.stringify(off.text.slice(-44))}\`` : off.text === usual.text ? "same" : "CHANGED";
  const tools = warnings.some((warning) => warning.includes("prints no tools")) ? "described" : "printed";
  return `| ${name} | ${answer.format} | ${thinks} | ${[usual, on, off].map(state).join(", ")} | ${end} | ${tools} |`;
}
