/** Reads what /metrics says in Prometheus' text format. */

/** Series, each with its labels as they are written, and their values. */
export async function scrape(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

/** The sum of its series that have these labels. */
export function value(m: ReadonlyMap<string, number>, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const wanted = Object.entries(labels).map(([label, is]) => `${label}="${is}"`);
  return [...m].reduce(
    (sum, [series, is]) => (series.split("{")[0] === name && wanted.every((each) => series.includes(each)) ? sum + is : sum),
    0,
  );
}
