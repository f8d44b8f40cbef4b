/** Prompt text of a wanted length: plain English words in an order that the seed decides, so that no run finds another's prefix cached. */

const WORDS = (
  "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your " +
  "can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has " +
  "look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part " +
  "over new sound take only little work know place year live me back give most very after thing our just name good sentence man think say great where " +
  "help through much before line right too mean old any same tell boy follow came want show also around form three small set put end does another well " +
  "large must big even such because turn here why ask went men read need land different home us move try kind hand picture again change off play spell air"
).split(" ");

/** mulberry32: small, and the same on every machine. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Exactly `count` words in sentences of ten; about 1.1 tokens a word for SmolLM2. */
export function words(count: number, seed: number): string {
  const next = random(seed);
  const text = Array.from({ length: count }, (_, i) => {
    const word = WORDS[Math.floor(next() * WORDS.length)]!;
    return i % 10 === 9 ? `${word}.` : word;
  });
  return text.join(" ");
}
