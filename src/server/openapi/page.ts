/**
 * /docs: a page that shows /openapi.json and sends requests, without a word from another server: one file, no library. Called by app.ts.
 * It speaks public HTTP only. Everything of the document is set as text, never as markup.
 */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Shimmy API</title>
<style>
  :root { color-scheme: light dark; --line: #8884; --soft: #8881; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h2 { margin: 2rem 0 .5rem; }
  details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .3rem .7rem; }
  summary { cursor: pointer; display: flex; gap: .7rem; align-items: baseline; flex-wrap: wrap; }
  .method { font-weight: 600; width: 4rem; }
  code, pre, textarea { font: 13px/1.45 ui-monospace, monospace; }
  pre { background: var(--soft); padding: .6rem; border-radius: 6px; overflow: auto; max-height: 24rem; white-space: pre-wrap; }
  textarea { width: 100%; box-sizing: border-box; min-height: 8rem; }
  input { width: 16rem; }
  table { border-collapse: collapse; width: 100%; } td { border-top: 1px solid var(--line); padding: .2rem .4rem; vertical-align: top; }
</style>
<h1>Shimmy API</h1>
<p id="about"></p>
<p><label>API key <input id="key" type="password" autocomplete="off" placeholder="only where the server asks for one"></label> · <a href="openapi.json">openapi.json</a></p>
<main id="main"></main>
<script>
const el = (name, props = {}, ...children) => {
  const node = Object.assign(document.createElement(name), props);
  node.append(...children);
  return node;
};
const typeOf = (schema) => {
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return typeOf(schema.items || {}) + "[]";
  return schema.type || "any";
};
const fields = (schema) => {
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => {
    const required = (schema.required || []).includes(name) ? " (required)" : "";
    return el("tr", {}, el("td", {}, el("code", { textContent: name + required })), el("td", {}, el("code", { textContent: typeOf(field) })), el("td", { textContent: field.description || "" }));
  });
  return el("table", {}, ...rows);
};
const operation = (path, method, op) => {
  const box = el("details", { id: op.operationId }, el("summary", {}, el("span", { className: "method", textContent: method.toUpperCase() }), el("code", { textContent: path }), el("span", { textContent: op.summary })));
  const media = op.requestBody && op.requestBody.content["application/json"];
  const inputs = (op.parameters || []).map((parameter) => {
    const input = el("input", { placeholder: parameter.in });
    box.append(el("p", {}, el("label", {}, el("code", { textContent: parameter.name + " " }), input)));
    return { parameter, input };
  });
  if (media) box.append(fields(media.schema));
  const body = media && el("textarea", { value: JSON.stringify(media.example || {}, null, 2), spellcheck: false });
  if (body) box.append(body);
  const out = el("pre", { hidden: true });
  const send = async () => {
    let url = path.slice(1);
    const query = new URLSearchParams();
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") url = url.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
      else if (input.value !== "") query.set(parameter.name, input.value);
    }
    const key = document.getElementById("key").value;
    const headers = { ...(body && { "content-type": "application/json" }), ...(key && { authorization: "Bearer " + key }) };
    out.hidden = false;
    out.textContent = "…";
    try {
      const response = await fetch(query.size ? url + "?" + query : url, { method: method.toUpperCase(), headers, ...(body && { body: body.value }) });
      out.textContent = response.status + " " + response.statusText + "\\n";
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        out.textContent += value;
      }
    } catch (error) {
      out.textContent = String(error);
    }
  };
  if (!op.requestBody || media) box.append(el("p", {}, el("button", { textContent: "Send", onclick: send })));
  box.append(out);
  return box;
};
fetch("openapi.json").then((response) => response.json()).then((api) => {
  document.getElementById("about").textContent = "Version " + api.info.version + ". " + api.info.description;
  const main = document.getElementById("main");
  for (const { name } of api.tags) {
    main.append(el("h2", { textContent: name }));
    for (const [path, methods] of Object.entries(api.paths))
      for (const [method, op] of Object.entries(methods)) if (op.tags.includes(name)) main.append(operation(path, method, op));
  }
}, (error) => { document.getElementById("main").textContent = "openapi.json cannot be read: " + error; });
</script>
</html>
`;
