/** What the suites of the doors knock at. */
export const CHAT = "/v1/chat/completions";

/** Every route, one without its /v1, and one that does not exist. */
export const ROUTES = [
  "/",
  "/health",
  "/metrics",
  "/v1/models",
  "/v1/models/shimmy-tiny",
  "/models",
  CHAT,
  "/v1/completions",
  "/v1/responses",
  `/v1/responses/resp_${"0".repeat(32)}`,
  "/infill",
  "/no/such/route",
];

export const HELLO = { model: "shimmy-tiny", messages: [{ role: "user" as const, content: "Hi" }], max_tokens: 1 };
