// Tools with OpenAI's client: the model calls, your function answers, the model goes on.
//   npx shimmy serve                      in one terminal
//   node examples/01-openai-tools.mjs     in another
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.SHIMMY_URL ?? "http://localhost:11435/v1", apiKey: "none" });

const run = client.chat.completions.runTools({
  model: process.env.SHIMMY_MODEL ?? "shimmy-tiny",
  messages: [{ role: "user", content: "What is the weather in Paris?" }],
  temperature: 0,
  max_tokens: 100,
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "Get the current weather for a city.",
        // The arguments of a call always match this: a grammar holds while the model writes them.
        parameters: { type: "object", properties: { city: { type: "string", maxLength: 40 } }, required: ["city"] },
        strict: true,
        parse: JSON.parse,
        function: ({ city }) => {
          console.log(`get_weather is called for ${city}`);
          return { city, temperature: 21, sky: "clear" };
        },
      },
    },
  ],
});

console.log(await run.finalContent());
