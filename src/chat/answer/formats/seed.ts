/**
 * Seed-OSS, as in its chat template (ByteDance-Seed/Seed-OSS-36B-Instruct on Hugging Face).
 *
 *     <seed:tool_call>\n<function=NAME>\n<parameter=KEY>VALUE</parameter>\n</function>\n</seed:tool_call>
 */
import type { AnswerFormat } from "../format.ts";
import { markedUp } from "./marked-up.ts";

export const SEED_OSS: AnswerFormat = {
  name: "seed-oss",
  fits: (template) => template.includes("<seed:tool_call>"),
  markers: ["<seed:tool_call>", "</seed:tool_call>", "<seed:think>", "</seed:think>"],
  thought: { open: "<seed:think>", close: "</seed:think>" },
  calls: markedUp({
    open: "<seed:tool_call>",
    beforeName: "\n<function=",
    afterName: ">\n",
    argument: { before: "<parameter=", after: ">", end: "</parameter>", apart: "\n" },
    end: "</function>",
    close: "\n</seed:tool_call>",
    apart: "\n",
  }),
};
