// Structured output: the answer always matches the schema, whatever the model. zod writes the schema and reads the answer.
//   npx shimmy serve                  in one terminal
//   node examples/03-structured.mjs   in another
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import * as z from "zod";

const client = new OpenAI({ baseURL: process.env.SHIMMY_URL ?? "http://localhost:11435/v1", apiKey: "none" });

const Person = z.object({
  name: z.string().max(20),
  age: z.int().min(0).max(120),
  pet: z.enum(["cat", "dog", "none"]),
});

const { choices } = await client.chat.completions.parse({
  model: process.env.SHIMMY_MODEL ?? "shimmy-tiny",
  messages: [{ role: "user", content: "Tom is 7 years old and has a dog." }],
  temperature: 0,
  response_format: zodResponseFormat(Person, "person"),
});

console.log(choices[0].message.parsed);
