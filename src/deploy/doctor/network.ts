/** Ports and proxies. Called by checks.ts. */
import { type Check, type Finding, pass, warn } from "../check.ts";
import { lookAtPort } from "../ports.ts";
import { judgePort, type WantedPort } from "../validate/machine.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The original's port, which clients try first. */
const WELL_KNOWN = 11_435;

export function networkChecks(wanted: WantedPort, env: Environment): Check[] {
  const ports = [wanted, ...(wanted.port === WELL_KNOWN ? [] : [{ host: "127.0.0.1", port: WELL_KNOWN, nextFree: true }])];
  return [
    ...ports.map((each) => ({
      group: "network",
      name: `port ${each.port}`,
      run: async () => judgePort(each, await lookAtPort(each.host, each.port)),
    })),
    { group: "network", name: "proxies", run: () => judgeProxies(env) },
  ];
}

export function judgeProxies(env: Environment): Finding {
  const value = (name: string) => env[name.toLowerCase()] || env[name];
  const set = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => {
    const proxy = value(name);
    return proxy ? [`${name}=${withoutPassword(proxy)}`] : [];
  });
  if (set.length === 0) return pass("none");
  const except = (value("NO_PROXY") ?? "").split(/[\s,]+/);
  const local = except.includes("*") || ["localhost", "127.0.0.1"].every((host) => except.includes(host));
  if (local) return pass(`${set.join(", ")}; not for this machine`);
  return warn(set.join(", "), "Clients may ask the proxy for this server: leave this machine out of it.", {
    command: "export NO_PROXY=localhost,127.0.0.1",
  });
}

function withoutPassword(proxy: string): string {
  return proxy.replace(/\/\/[^@/]*@/, "//***@");
}
