/**
 * The kind of the setting `upstreams`: servers of OpenAI's dialect, each with its key and weight. In the file it is a list, or a mapping of
 * names. Used by the table only; see kinds.ts.
 */
import { type Kind, pieces, refuse } from "./kinds.ts";

export interface UpstreamSetting {
  /** Without a slash at its end and without /v1: "http://10.0.0.5:8000", "https://host/llm". */
  readonly url: string;
  /** What models of the same name are told apart by, and what metrics call it. */
  readonly name: string;
  /** Sent as a bearer token. */
  readonly key?: string;
  /** How much it can do beside the others. */
  readonly weight: number;
}

const ALLOWED = "[NAME=]URL[,key=KEY][,weight=0.1 to 100] with a URL of http or https, several separated by ';'; no two of one name";

/** `http://host:8000`, `big=http://host:8000/v1,key=abc,weight=2`. Several are separated by ';', because the options of one have commas. */
export const upstreamList: Kind<readonly UpstreamSetting[]> = {
  type: "mapping",
  placeholder: "<url[,key=…][,weight=…]>",
  allowed: ALLOWED,
  list: { split, read },
  parse: (raw) => read(split(raw)),
  format: (value) => value.map(printed).join(";"),
};

function split(raw: string): string[] {
  return pieces(raw, ";");
}

function read(items: readonly string[]): readonly UpstreamSetting[] {
  const list = items.map(upstream);
  if (new Set(list.map(({ name }) => name)).size < list.length) return refuse(ALLOWED);
  return Object.freeze(list);
}

function upstream(item: string): UpstreamSetting {
  const [, given, sent = ""] = /^(?:([^=,]*)=(?=\s*https?:))?(.*)$/s.exec(item) ?? [];
  const [address = "", ...options] = pieces(sent, ",");
  const url = baseOf(address);
  const said = new Map(options.map((option) => [option.slice(0, Math.max(0, option.indexOf("="))), option.slice(option.indexOf("=") + 1)]));
  const unknown = [...said.keys()].some((name) => !["key", "weight"].includes(name));
  const weight = Number(said.get("weight") ?? 1);
  const key = said.get("key");
  const name = given?.trim() ?? url.replace(/^https?:\/\//, "");
  const keyIsWrong = key !== undefined && !/^[\x21-\x7e]+$/.test(key);
  if (unknown || said.size < options.length || !(weight >= 0.1 && weight <= 100) || keyIsWrong || !isName(name)) return refuse(ALLOWED);
  return Object.freeze({ url, name, weight, ...(key !== undefined && { key }) });
}

function baseOf(address: string): string {
  if (!URL.canParse(address) || address.includes(";")) return refuse(ALLOWED);
  const url = new URL(address);
  const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!plain || !/^https?:$/.test(url.protocol)) return refuse(ALLOWED);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
}

/** It becomes a part of model names and a label of metrics. */
function isName(name: string): boolean {
  return /^[\w.:/[\]-]{1,128}$/.test(name);
}

function printed({ url, name, key, weight }: UpstreamSetting): string {
  const named = name === url.replace(/^https?:\/\//, "") ? "" : `${name}=`;
  return `${named}${url}${key === undefined ? "" : `,key=${key}`}${weight === 1 ? "" : `,weight=${weight}`}`;
}
