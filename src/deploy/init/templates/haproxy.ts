/** `shimmy init --template haproxy`: as nginx, with active health checks and a socket by which an instance is drained. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { AFFINITY_NOTE, DRAIN_SECONDS, frontPort, instances } from "./common.ts";

export const haproxy: Template = {
  name: "haproxy",
  summary: "HAProxy before several instances: active health checks, prefix-affine hashing, retries, drain",
  files: (options) => [
    { path: "haproxy.cfg", text: configuration(options) },
    { path: "README-haproxy.md", text: readme(options) },
  ],
};

function configuration(options: TemplateOptions): string {
  const { name } = options;
  const servers = instances(options).map(({ id, port }) => `    server ${id} 127.0.0.1:${port}`);
  return `global
    log stderr format raw local0 info
    # \`drain\` and \`ready\` are said here, see README-haproxy.md.
    stats socket unix@${name}.sock mode 600 level admin
    # Streams that run at a reload are finished by the old process.
    hard-stop-after 600s
    # A request that fits in here can be sent to another instance.
    tune.bufsize 131072
    maxconn 4096

defaults
    mode http
    log global
    option httplog
    option dontlognull
    # A connection of its own for each request to an instance: an old one that is just being closed would lose what is sent on it, and
    # HAProxy retries only what was refused or answered by nothing.
    option http-server-close
    # Each token goes out when it comes.
    option http-no-delay
    timeout connect 2s
    timeout http-request 30s
    timeout http-keep-alive 60s
    # An answer without streaming may say nothing for as long as it is computed.
    timeout client 1h
    timeout server 1h
    timeout queue 30s

frontend ${name}
    # This machine only. For others: "bind :443 ssl crt FILE", and SHIMMY_API_KEY set in each instance.
    bind 127.0.0.1:${frontPort(options)}

    # The key of the hash: X-Session-Id, else the API key, else the address.
    http-request set-var(txn.affinity) src
    http-request set-var(txn.affinity) req.hdr(x-api-key) if { req.hdr(x-api-key) -m found }
    http-request set-var(txn.affinity) req.hdr(authorization) if { req.hdr(authorization) -m found }
    http-request set-var(txn.affinity) req.hdr(x-session-id) if { req.hdr(x-session-id) -m found }

    # Of one instance each: ask the instances themselves, by their ports.
    http-request return status 404 if { path /metrics }

    default_backend ${name}

backend ${name}
    balance hash var(txn.affinity)
    hash-type consistent

    # /health is 503 while an instance loads or drains, and needs no key.
    option httpchk
    http-check send meth GET uri /health
    http-check expect status 200
    # A connection that is refused takes an instance out at once: with a hash a second try would go to the same one.
    default-server check inter 2s fastinter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down

    # Instances that listen on this machine only refuse foreign names in Host.
    http-request set-header Host localhost
    option forwardfor

    # While nothing was sent to the client. Generating again does no harm.
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response 503

${servers.join("\n")}
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, replicas } = options;
  const front = frontPort(options);
  return `# ${name}: HAProxy before Shimmy

\`\`\`sh
haproxy -c -f haproxy.cfg && haproxy -D -p haproxy.pid -f haproxy.cfg     # listens on 127.0.0.1:${front}
curl http://127.0.0.1:${front}/health
haproxy -D -p haproxy.pid -f haproxy.cfg -sf $(cat haproxy.pid)           # after a change
\`\`\`

HAProxy 2.6 or later. It sends requests to ${replicas} instance${replicas === 1 ? "" : "s"} on this machine, ports ${port} to ${port + replicas - 1} (\`shimmy init --template systemd\` or \`docker\`
makes them). Instances elsewhere: put their addresses behind \`server\`.

${AFFINITY_NOTE}

## When an instance goes

- **Health.** /health is asked every 2 s; two failures, or one connection that is refused, take an instance out, one success takes it back. A request that was refused, an answer
  that ended before its first byte, and a 503 go to another instance, if the request was no larger than 128 KB. What has begun to stream ends when its instance dies.
- **Drain.** \`echo "set server ${name}/shimmy-1 state drain" | socat stdio ${name}.sock\`: running answers go on, nothing new comes. Then SIGTERM the
  instance; it waits for its answers up to ${DRAIN_SECONDS} s. Back: \`state ready\`. SIGTERM alone loses
  nothing either: the instance answers everybody for \`drain_settle\` while /health already says 503.
- **429** (the queue is full) reaches the client with its Retry-After: sent elsewhere it would compute the whole prompt again.

## Before it is public

Set \`SHIMMY_API_KEY\` in each instance: behind a proxy every caller looks local. Use \`bind :443 ssl crt FILE\`.
`;
}
