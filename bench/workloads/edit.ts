/**
 * A text of 300 words comes back with one change, as code editors and translators of tone ask for it: nearly every token of the answer
 * is in the prompt, which is what prompt-lookup speculation lives on. Run with and without it.
 */
import { type RequestRecord, streamChat } from "../../src/bench/measure/client.ts";
import { commonFigures, type Figure } from "../../src/bench/measure/figures.ts";
import { concurrently, type Workload } from "../../src/bench/workloads/workload.ts";

const TOKENS = 320;
const WORDS = 300;
/** So many words in a row that are also in the text count as copied. */
const RUN = 4;

/** Sentences about one person; the round decides with which one a text begins, so that no two rounds share a prefix. */
const SENTENCES = [
  "NAME lives in a small house by the river with two cats and a very old piano.",
  "Every morning NAME walks to the market to buy bread, apples and a newspaper.",
  "The baker knows NAME well and always keeps the last loaf of rye bread for her.",
  "On Tuesdays NAME teaches mathematics at the school on the other side of the bridge.",
  "Her pupils like the puzzles that NAME draws on the blackboard before each lesson.",
  "In the afternoon NAME repairs clocks in a workshop that once belonged to her uncle.",
  "A clock from the town hall has been waiting there since the storm in October.",
  "The mayor asks about it every week, and every week NAME promises to be quick.",
  "When the weather is good, NAME takes the boat and rows to the island in the lake.",
  "There she reads, sleeps under the pine trees and forgets the time.",
  "Last summer a stranger came to the island and asked NAME for the way to the lighthouse.",
  "They walked together along the shore, and he told her about the ships he had seen.",
  "Since that day NAME has a map of the coast on the wall above her desk.",
  "In winter the river freezes, and the children of the village skate past her window.",
  "NAME gives them hot chocolate and listens to their stories about school.",
  "Her sister calls on Sundays and wants to know when NAME will visit the city again.",
  "The train leaves at seven, but NAME prefers the slow bus through the hills.",
  "She says that one sees more from a bus, and that nobody should hurry in spring.",
  "At night NAME plays the piano, and the cats sit on the stairs and listen.",
  "The neighbours open their windows, for NAME plays the old songs better than anyone.",
  "Next year NAME wants to write a book about clocks, rivers and patience.",
  "The first page is finished, and it begins with the sound of a bell in the fog.",
];
const NAMES = ["Anna", "Clara", "Emma", "Helen", "Julia", "Laura", "Maria", "Nora", "Olivia", "Sarah"];

export function editText(round: number, index: number): { text: string; from: string; to: string } {
  const from = NAMES[(round * 3 + index) % NAMES.length]!;
  const to = NAMES[(round * 3 + index + 1) % NAMES.length]!;
  const first = (round * 7 + index * 5) % SENTENCES.length;
  const order = [...SENTENCES.slice(first), ...SENTENCES.slice(0, first)];
  const text = order.join(" ").replaceAll("NAME", from).split(" ").slice(0, WORDS).join(" ");
  return { text, from, to };
}

export const edit: Workload = {
  name: "edit",
  summary: "a text of 300 words rewritten with one change, 1 client, with and without speculation",
  clients: [1],
  fixedClients: true,
  needs: "speculation",
  mayBundle: true,
  run({ target, clients, round, requests = 2, signal }) {
    return concurrently(clients, async (client) => {
      const records: RequestRecord[] = [];
      for (let index = 0; index < requests && !signal.aborted; index++) {
        const { text, from, to } = editText(round, index);
        const content = `Repeat the following text word for word, but replace the name ${from} with ${to}.\n\n${text}`;
        const messages = [{ role: "user" as const, content }];
        records.push(await streamChat(target, { messages, tokens: TOKENS, client, group: `${round}/${index}`, signal }));
      }
      return records;
    });
  },
  figures,
};

function figures(records: readonly RequestRecord[]): Figure[] {
  const copied = records.map(({ text, group = "0/0" }) => {
    const [round = 0, index = 0] = group.split("/").map(Number);
    return copiedShare(text, editText(round, index).text);
  });
  const mean = copied.reduce((sum, share) => sum + share, 0) / Math.max(1, copied.length);
  // Gaps say little when several tokens come at once: only what a reader waits for at all.
  const [throughput, ttft] = commonFigures(records);
  return [throughput!, ttft!, { name: "words copied", unit: "%", better: "higher", value: 100 * mean }];
}

/** Share of the answer's runs of four words that the text has too. */
export function copiedShare(answer: string, text: string): number {
  const runs = (words: readonly string[]) => words.slice(RUN - 1).map((_, i) => words.slice(i, i + RUN).join(" "));
  const known = new Set(runs(text.split(/\s+/)));
  const own = runs(answer.split(/\s+/));
  return own.filter((run) => known.has(run)).length / Math.max(1, own.length);
}
