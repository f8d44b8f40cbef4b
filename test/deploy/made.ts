/** Used by the suites of `shimmy init`: writes a template by the built command, looks for programs, waits for addresses. */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { bareEnvironment, finished, shimmy } from "../support/command.ts";

/** @returns the folder that was written, below `folder`. */
export async function made(folder: string, template: string, ...flags: string[]): Promise<string> {
  const out = join(folder, template);
  const { code, stderr } = await shimmy(["init", "--template", template, "--out", out, "--memory", "2Gi", ...flags], { cwd: folder });
  expect([code, stderr]).toEqual([0, ""]);
  return out;
}

/** Why a suite cannot run: undefined if all programs are on PATH. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0);
  return absent.length > 0 ? `not on this machine: ${absent.join(", ")}` : undefined;
}

/** Runs a program in a folder to its end, with no settings of the person who runs the tests. */
export function ran(folder: string, program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return finished(spawn(program, args, { cwd: folder, env: { ...bareEnvironment(folder), ...env }, stdio: ["ignore", "pipe", "pipe"] }));
}
