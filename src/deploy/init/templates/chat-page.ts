/** The page of the small applications (express, fastify, fastapi): a chat that reads its answer as it comes. Speaks to their POST /api/chat. */

/** @param name a DNS label, so it needs no escaping */
export function chatPage(name: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem; }
  #log p { white-space: pre-wrap; }
  .user { font-weight: 600; }
  form { display: flex; gap: 0.5rem; }
  input { flex: 1; font: inherit; padding: 0.4rem; }
</style>
<h1>${name}</h1>
<div id="log" aria-live="polite"></div>
<form>
  <input name="text" aria-label="Message" placeholder="Say something" autocomplete="off" autofocus required>
  <button>Send</button>
  <button type="button" hidden>Stop</button>
</form>
<script type="module">
  const form = document.querySelector("form");
  const [send, stop] = form.querySelectorAll("button");
  const messages = [];

  // As text and never as HTML: a model writes what it likes.
  function show(role, text) {
    const line = document.createElement("p");
    line.className = role;
    line.textContent = text;
    document.querySelector("#log").append(line);
    return line;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    messages.push({ role: "user", content: form.elements.text.value });
    show("user", form.elements.text.value);
    form.reset();
    const line = show("assistant", "");
    const asked = new AbortController();
    let answer = "";
    stop.onclick = () => asked.abort();
    send.hidden = !(stop.hidden = false);
    try {
      const response = await fetch("api/chat", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages }),
        signal: asked.signal,
      });
      if (!response.ok) throw new Error((await response.json()).error);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) line.textContent = answer += part.value;
    } catch (error) {
      if (error.name !== "AbortError") line.textContent += \`\\n[\${error.message}]\`;
    } finally {
      // What failed is shown and is no part of the conversation; a question without an answer is taken back.
      if (answer === "") messages.pop();
      else messages.push({ role: "assistant", content: answer });
      send.hidden = !(stop.hidden = true);
    }
  });
</script>
</html>
`;
}
