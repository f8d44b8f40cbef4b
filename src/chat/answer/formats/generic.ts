/**
 * For templates that print no tools: describe-tools.ts tells the model how to call one, in the form that most models have seen, and
 * chat/normalise.ts prints the calls of the past in it. The last of the list: it fits everything.
 */
import type { AnswerFormat } from "../format.ts";
import { hermesCalls } from "./hermes.ts";

export const generic: AnswerFormat = { name: "generic", fits: () => true, markers: [], calls: hermesCalls };
