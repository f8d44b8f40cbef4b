/** Formats with marks of their own, the more special ones first. Called by index.ts. */
import type { AnswerFormat } from "../format.ts";
import { COMMAND } from "./command.ts";
import { DEEPSEEK_R1, DEEPSEEK_V3_1, DEEPSEEK_V3_2, DEEPSEEK_V4 } from "./deepseek.ts";
import { FUNCTIONARY_3_1, FUNCTIONARY_3_2 } from "./functionary.ts";
import { FUNCTION_GEMMA, GEMMA_4 } from "./gemma.ts";
import { GLM_4_5, GLM_4_7 } from "./glm.ts";
import { GRANITE } from "./granite.ts";
import { HARMONY } from "./harmony.ts";
import { KIMI_K2 } from "./kimi.ts";
import { LFM2 } from "./lfm2.ts";
import { APRIEL, FIREFUNCTION, NEMOTRON_2 } from "./listed.ts";
import { MINIMAX_M2 } from "./minimax.ts";
import { PHI_4_MINI } from "./phi.ts";
import { QWEN3_5, QWEN3_CODER } from "./qwen3-coder.ts";
import { SEED_OSS } from "./seed.ts";

export const MORE_FORMATS: readonly AnswerFormat[] = [
  HARMONY,
  FUNCTIONARY_3_2,
  SEED_OSS,
  QWEN3_5,
  QWEN3_CODER,
  FUNCTIONARY_3_1,
  DEEPSEEK_V3_2,
  DEEPSEEK_V4,
  DEEPSEEK_V3_1,
  DEEPSEEK_R1,
  GRANITE,
  FUNCTION_GEMMA,
  GEMMA_4,
  GLM_4_7,
  GLM_4_5,
  KIMI_K2,
  MINIMAX_M2,
  COMMAND,
  PHI_4_MINI,
  LFM2,
  NEMOTRON_2,
  APRIEL,
  FIREFUNCTION,
];
