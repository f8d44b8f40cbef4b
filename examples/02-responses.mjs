// The Responses API: a stream of events, then a second turn that names the first one instead of sending it again.
//   npx shimmy serve                 in one terminal
//   node examples/02-responses.mjs   in another
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.SHIMMY_URL ?? "http://localhost:11435/v1", apiKey: "none" });
const model = process.env.SHIMMY_MODEL ?? "shimmy-tiny";

const stream = client.responses.stream({ model, input: "Tell me a story about a fox.", max_output_tokens: 40 });
for await (const event of stream) if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
const first = await stream.finalResponse();

const second = await client.responses.create({ model, previous_response_id: first.id, input: "Go on.", max_output_tokens: 40 });
console.log(`\n\n${second.output_text}`);

// Answers are kept, also across restarts, until somebody deletes them (or sends store: false).
await client.responses.delete(first.id);
await client.responses.delete(second.id);
