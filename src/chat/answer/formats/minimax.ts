/**
 * MiniMax M2, as in its chat template (MiniMaxAI/MiniMax-M2 on Hugging Face, docs/tool_calling_guide.md there).
 *
 *     <minimax:tool_call>\n<invoke name="NAME">\n<parameter name="KEY">VALUE</parameter>\n</invoke>\n</minimax:tool_call>
 */
import type { AnswerFormat } from "../format.ts";
import { markedUp } from "./marked-up.ts";

export const MINIMAX_M2: AnswerFormat = {
  name: "minimax-m2",
  fits: (template) => template.includes("<minimax:tool_call>") && template.includes("<invoke name="),
  markers: ["<minimax:tool_call>", "</minimax:tool_call>", "<think>", "</think>"],
  thought: { open: "<think>", close: "</think>" },
  calls: markedUp({
    open: "<minimax:tool_call>",
    beforeName: '\n<invoke name="',
    afterName: '">\n',
    argument: { before: '<parameter name="', after: '">', end: "</parameter>", apart: "\n" },
    end: "</invoke>",
    close: "\n</minimax:tool_call>",
    together: true,
    apart: "\n",
  }),
};
