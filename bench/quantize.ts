/**
 * Child process: makes one GGUF of another type out of one. Called by models.ts as `quantize.js FROM TO FTYPE`.
 * A process of its own, because libllama never gives all its memory back and may abort.
 */
import { renameSync } from "node:fs";
import { openLlama } from "./native/libllama.ts";

const [from, to, ftype] = process.argv.slice(2);
if (!from || !to || !ftype) throw new Error("usage: quantize.js FROM TO FTYPE");

const llama = openLlama(process.cwd());
const unfinished = `${to}.${process.pid}`;
const code = llama.quantize(from, unfinished, { ...llama.quantizeDefaults(), ftype: Number(ftype), allow_requantize: true });
if (code !== 0) throw new Error(`llama_model_quantize gave ${code}`);
// Renamed at the end, so that a killed run leaves no half model behind under the real name.
renameSync(unfinished, to);
