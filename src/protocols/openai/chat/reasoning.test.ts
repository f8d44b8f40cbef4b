import { describe, expect, test } from "vitest";
import { CONTEXT, refusal } from "../test-support.ts";
import { decodeChat } from "./decode.ts";

const decode = (fields: object) => decodeChat({ messages: [{ role: "user", content: "Hi" }], ...fields }, CONTEXT);
const promptOf = (fields: object) => {
  const { prompt } = decode(fields).request;
  if (prompt.kind !== "chat") throw new Error(`A chat became ${prompt.kind}`);
  return prompt;
};

describe("T51 each off switch", () => {
  test.each([
    [{ reasoning_effort: "none" }],
    [{ reasoning: { effort: "none" } }],
    [{ reasoning: { enabled: false } }],
    [{ reasoning: { max_tokens: 0 } }],
    [{ think: false }],
    [{ think: "none" }],
    [{ enable_thinking: false }],
    [{ thinking: { type: "disabled" } }],
    [{ thinking: false }],
    [{ chat_template_kwargs: { enable_thinking: false } }],
    [{ chat_template_kwargs: { thinking: false } }],
    [{ reasoning_budget: 0 }],
    [{ thinking_budget_tokens: 0 }],
    [{ thinking_budget: 0 }],
    [{ thinking: { type: "enabled", budget_tokens: 0 } }],
    // An explicit "off" wins.
    [{ reasoning_effort: "high", think: false }],
    [{ think: true, reasoning_effort: "none", thinking_budget: 100 }],
  ])("%j is the one wish", (fields) => {
    expect(promptOf(fields).reasoning).toEqual({ enabled: false });
  });
});

describe("what else is said of thoughts", () => {
  test.each<[object, object | undefined]>([
    [{}, undefined],
    [{ reasoning_effort: "default" }, undefined],
    [{ reasoning: {} }, undefined],
    [{ reasoning_budget: -1 }, undefined],
    [{ thinking: { type: "adaptive" } }, undefined],
    [{ reasoning_effort: "minimal" }, { effort: "minimal" }],
    [{ reasoning_effort: "high" }, { enabled: true, effort: "high" }],
    [{ reasoning: { effort: "xhigh" } }, { enabled: true, effort: "xhigh" }],
    [{ reasoning: { enabled: true, max_tokens: 200 } }, { enabled: true, budgetTokens: 200 }],
    [{ think: true }, { enabled: true }],
    [{ think: "low" }, { enabled: true, effort: "low" }],
    [{ thinking: { type: "enabled", budget_tokens: 1024 } }, { enabled: true, budgetTokens: 1024 }],
    [
      { thinking_budget: 300, thinking_budget_tokens: 100, reasoning_budget: 200 },
      { enabled: true, budgetTokens: 100 },
    ],
    [{ chat_template_kwargs: { enable_thinking: true } }, { enabled: true }],
    [{ reasoning_format: "none" }, { inText: true }],
    [
      { reasoning_format: "none", think: false },
      { enabled: false, inText: true },
    ],
    [{ reasoning_format: "deepseek" }, undefined],
  ])("%j becomes %j", (fields, wish) => {
    expect(promptOf(fields).reasoning).toEqual(wish);
  });

  test("the template's own variables say the same as the wish", () => {
    const options = { enable_thinking: true, thinking: true, other: 1 };
    expect(promptOf({ chat_template_kwargs: options }).templateOptions).toEqual(options);
    expect(promptOf({ chat_template_kwargs: options, think: false }).templateOptions).toEqual({
      enable_thinking: false,
      thinking: false,
      other: 1,
    });
  });

  test.each([[{ reasoning: { exclude: true } }], [{ include_reasoning: false }], [{ reasoning_format: "hidden" }]])(
    "%j hides thoughts and does not forbid them",
    (fields) => {
      expect(decode(fields).hidesReasoning).toBe(true);
      expect(promptOf(fields).reasoning).toBeUndefined();
    },
  );

  test.each<[object, string]>([
    [{ reasoning_effort: "huge" }, "reasoning_effort"],
    [{ reasoning: "high" }, "reasoning"],
    [{ reasoning: { effort: 5 } }, "reasoning.effort"],
    [{ reasoning: { max_tokens: -5 } }, "reasoning.max_tokens"],
    [{ think: "very" }, "think"],
    [{ thinking: 5 }, "thinking"],
    [{ thinking: { budget_tokens: 1.5 } }, "thinking.budget_tokens"],
    [{ thinking_budget: "many" }, "thinking_budget"],
    [{ enable_thinking: "yes" }, "enable_thinking"],
  ])("T6 %j is a 400", (fields, param) => {
    expect(refusal(() => decode(fields))).toMatchObject({ code: "invalid_value", param });
  });
});
