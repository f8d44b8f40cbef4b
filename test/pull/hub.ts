/**
 * A stand-in for huggingface.co: the routes that a pull uses, with the hub's headers, and a content server on a port of its own to which
 * it redirects. Each test gives it files and faults. Shapes as the real ones answered in 2025 (api/models/…, tree, resolve).
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly where: "hub" | "cdn";
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Return true when it has answered. `count`: how many times this route and path was asked, from 1. */
export type Fault = (asked: Asked, response: ServerResponse, count: number) => boolean;

export interface HubOptions {
  /** owner/name → path → content. */
  readonly repos: Readonly<Record<string, Readonly<Record<string, Buffer>>>>;
  /** Repositories that give out files only to this token. */
  readonly gated?: Readonly<Record<string, string>>;
  /** Small files lie in git itself, without LFS: below this many bytes. */
  readonly gitBelow?: number;
  /** Entries of a page of the tree. */
  readonly pageSize?: number;
  fault?: Fault;
  /** Speaks https as hub.test and cdn.test, which only a proxy finds. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface Hub {
  readonly url: string;
  readonly port: number;
  readonly cdnPort: number;
  readonly asked: Asked[];
  fault: Fault | undefined;
  /** Bytes of content that went out. */
  sent(): number;
  /** What the hub holds under this name from now on, or lists although it holds another thing. */
  replace(repo: string, path: string, content: Buffer): void;
  /** The oid that X-Linked-Etag tells from now on, whatever is listed. */
  linkedEtag: string | undefined;
  /** False: the content server sends whole files, whatever is asked for. */
  ranges: boolean;
  /** Milliseconds between pieces of content. */
  slowMs: number;
  close(): Promise<void>;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const PIECE = 16 * 1024;

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

export async function startHub(options: HubOptions): Promise<Hub> {
  const repos = new Map(Object.entries(options.repos).map(([name, files]) => [name, new Map(Object.entries(files))]));
  const counts = new Map<string, number>();
  let sent = 0;
  const note = (where: Asked["where"], request: IncomingMessage, response: ServerResponse): boolean => {
    const asked = { where, path: request.url!, range: request.headers.range, authorization: request.headers.authorization };
    hub.asked.push(asked);
    const key = `${where} ${request.url!.split("?")[0]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return hub.fault?.(asked, response, counts.get(key)!) ?? false;
  };
  const serve = (answer: RequestListener): Server => (options.tls ? createTlsServer(options.tls, answer) : createServer(answer));
  const hubServer = serve((request, response) => {
    if (!note("hub", request, response)) answerHub(request, response);
  });
  const cdnServer = serve((request, response) => {
    if (!note("cdn", request, response)) void answerContent(request, response, decodeURIComponent(request.url!));
  });
  await Promise.all([listening(hubServer), listening(cdnServer)]);
  const port = (hubServer.address() as AddressInfo).port;
  const cdnPort = (cdnServer.address() as AddressInfo).port;
  const cdnUrl = options.tls ? "https://cdn.test" : `http://127.0.0.1:${cdnPort}`;
  const hub: Hub = {
    url: options.tls ? "https://hub.test" : `http://127.0.0.1:${port}`,
    port,
    cdnPort,
    asked: [],
    fault: options.fault,
    sent: () => sent,
    replace: (repo, path, content) => repos.get(repo)!.set(path, content),
    linkedEtag: undefined,
    ranges: true,
    slowMs: 0,
    close: async () => {
      for (const server of [hubServer, cdnServer]) server.closeAllConnections();
      await Promise.all([hubServer, cdnServer].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };

  function answerHub(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const url = new URL(request.url!, hub.url);
    const [, api, owner, name, kind, revision, ...rest] = segments(url.pathname);
    const repo = `${owner}/${name}`;
    const files = [...repos.keys()].find((key) => key.toLowerCase() === repo.toLowerCase());
    // Without a token the hub does not tell what is private from what is not there.
    if (files === undefined) return refuse(response, 401, "RepoNotFound", "Invalid username or password.");
    if (files !== repo) return response.writeHead(307, { location: url.pathname.replace(repo, files) + url.search }).end();
    if (!["main", COMMIT].includes(revision!)) return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    if (api && kind === "revision") {
      const gated = options.gated?.[files] === undefined ? false : "manual";
      return json(response, {
        _id: "1",
        id: files,
        sha: COMMIT,
        private: false,
        gated,
        downloads: 1,
        likes: 0,
        lastModified: "2025-01-01T00:00:00.000Z",
      });
    }
    if (api && kind === "tree") return tree(url, response, repos.get(files)!);
    if (!api && kind === "resolve") return resolve(request, response, files, rest.join("/"));
    return refuse(response, 404, "", "no such route");
  }

  function tree(url: URL, response: ServerResponse, files: ReadonlyMap<string, Buffer>): ServerResponse {
    const pageSize = options.pageSize ?? 1000;
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const all = [...files].map(([path, content]) => entry(path, content));
    if (from + pageSize < all.length) {
      url.searchParams.set("cursor", String(from + pageSize));
      response.setHeader("link", `<${url.href}>; rel="next"`);
    }
    return json(response, [{ type: "directory", oid: "d".repeat(40), size: 0, path: "folder" }, ...all.slice(from, from + pageSize)]);
  }

  function entry(path: string, content: Buffer): Record<string, unknown> {
    const small = content.length < (options.gitBelow ?? 0);
    const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    if (small) return { type: "file", oid, size: content.length, path };
    return {
      type: "file",
      oid: "e".repeat(40),
      size: content.length,
      path,
      lfs: { oid: sha256(content), size: content.length, pointerSize: 134 },
      xetHash: "a".repeat(64),
    };
  }

  function resolve(request: IncomingMessage, response: ServerResponse, repo: string, path: string): ServerResponse {
    const token = options.gated?.[repo];
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return refuse(response, request.headers.authorization ? 403 : 401, "GatedRepo", `Access to model ${repo} is restricted.`);
    const content = repos.get(repo)!.get(path);
    if (!content) return refuse(response, 404, "EntryNotFound", "Entry not found");
    response.setHeader("x-repo-commit", COMMIT);
    if (content.length < (options.gitBelow ?? 0)) {
      void answerContent(request, response, `/${repo}/${path}`);
      return response;
    }
    response.setHeader("x-linked-size", content.length);
    response.setHeader("x-linked-etag", `"${hub.linkedEtag ?? sha256(content)}"`);
    const location = `${cdnUrl}/${encodeURI(`${repo}/${path}`)}`;
    return response.writeHead(302, { location }).end(`Found. Redirecting to ${location}`);
  }

  async function answerContent(request: IncomingMessage, response: ServerResponse, path: string): Promise<ServerResponse> {
    const [, owner, name, ...rest] = path.split("/");
    const content = repos.get(`${owner}/${name}`)?.get(rest.join("/"));
    if (!content) return refuse(response, 404, "", "not here");
    const asked = hub.ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") : null;
    const first = Number(asked?.[1] ?? 0);
    const last = Math.min(Number(asked?.[2] ?? content.length - 1), content.length - 1);
    response.writeHead(asked ? 206 : 200, {
      "content-length": last + 1 - first,
      etag: '"the content server has its own"',
      "accept-ranges": "bytes",
      ...(asked && { "content-range": `bytes ${first}-${last}/${content.length}` }),
    });
    for (let at = first; at <= last && !response.destroyed; at += PIECE) {
      const piece = content.subarray(at, Math.min(at + PIECE, last + 1));
      sent += piece.length;
      const taken = response.write(piece);
      while (!taken && response.writableNeedDrain && !response.destroyed) await new Promise((done) => setTimeout(done, 1));
      if (hub.slowMs > 0) await new Promise((done) => setTimeout(done, hub.slowMs));
    }
    return response.end();
  }
  return hub;
}

/** ["", "api" or "", owner, name, kind, revision, …rest] */
function segments(pathname: string): string[] {
  const all = pathname.split("/").slice(1).map(decodeURIComponent);
  return all[0] === "api" ? ["", "api", ...all.slice(2)] : ["", "", ...all];
}

function refuse(response: ServerResponse, status: number, code: string, message: string): ServerResponse {
  response.writeHead(status, { "content-type": "application/json", "x-error-message": message, ...(code && { "x-error-code": code }) });
  return response.end(JSON.stringify({ error: message }));
}

function json(response: ServerResponse, value: unknown): ServerResponse {
  response.writeHead(response.statusCode, { "content-type": "application/json; charset=utf-8" });
  return response.end(JSON.stringify(value));
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}
