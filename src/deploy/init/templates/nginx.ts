/** `shimmy init --template nginx`: a balancer that keeps a client with the instance that knows its prompts, and never holds back a token. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { AFFINITY_NOTE, DRAIN_SECONDS, frontPort, instances } from "./common.ts";

export const nginx: Template = {
  name: "nginx",
  summary: "nginx before several instances: prefix-affine hashing, unbuffered streams, retries, drain",
  files: (options) => [
    { path: "nginx.conf", text: configuration(options) },
    { path: "README-nginx.md", text: readme(options) },
  ],
};

function configuration(options: TemplateOptions): string {
  const { name } = options;
  const servers = instances(options).map(({ port }) => `        server 127.0.0.1:${port} max_fails=0;`);
  return `worker_processes auto;
pid nginx.pid;
error_log stderr warn;

# Streams that run at a reload are finished by the old workers, for as long as this.
worker_shutdown_timeout 600s;

events {
    worker_connections 4096;
}

http {
    # Below the folder of -p, so that it needs no root. Requests are kept in a file while they are larger than memory should hold.
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;

    # The key of the hash: X-Session-Id, else the API key, else the address.
    map $http_authorization $shimmy_caller {
        default $http_authorization;
        ""      $http_x_api_key;
    }
    map $shimmy_caller $shimmy_caller_or_address {
        default $shimmy_caller;
        ""      $remote_addr;
    }
    map $http_x_session_id $shimmy_affinity {
        default $http_x_session_id;
        ""      $shimmy_caller_or_address;
    }

    # No prompts and no keys: times, status, and who answered.
    log_format shimmy '$time_iso8601 $status $request_method $uri upstream=$upstream_addr '
                      'first_byte=$upstream_header_time total=$request_time bytes=$bytes_sent';
    access_log access.log shimmy;

    upstream ${name} {
        hash $shimmy_affinity consistent;
        # None is ever put aside: to be refused costs nothing, and if all are put aside at once (a restart of one after the other) nginx
        # answers 502 though they are back. On other machines, where a dead one costs the time to connect: max_fails=2 fail_timeout=1s.
${servers.join("\n")}
        # Shorter than the 75 s after which Shimmy closes an idle connection.
        keepalive 64;
        keepalive_timeout 60s;
    }

    server {
        # This machine only. For others: "listen 443 ssl;" with a certificate, and SHIMMY_API_KEY set in each instance.
        listen 127.0.0.1:${frontPort(options)};
        server_name _;
        server_tokens off;

        location / {
            proxy_pass http://${name};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            # Instances that listen on this machine only refuse foreign names in Host.
            proxy_set_header Host localhost;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;

            # Each token goes out when it comes; the request is kept, so that it can be sent to another instance.
            proxy_buffering off;
            proxy_cache off;
            gzip off;
            client_max_body_size 512m;

            # An answer without streaming may say nothing for as long as it is computed.
            proxy_connect_timeout 2s;
            proxy_read_timeout 3600s;
            proxy_send_timeout 300s;

            # While nothing was sent to the client: a dead, draining or loading instance is passed over. Generating again does no harm,
            # hence non_idempotent. After 30 s there is no second try.
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_next_upstream_tries 3;
            proxy_next_upstream_timeout 30s;
        }

        # Of one instance each: ask the instances themselves, by their ports.
        location = /metrics {
            return 404;
        }
    }
}
`;
}

function readme(options: TemplateOptions): string {
  const { name, port, replicas } = options;
  const front = frontPort(options);
  return `# ${name}: nginx before Shimmy

\`\`\`sh
mkdir -p temp
nginx -t -p "$PWD" -c nginx.conf && nginx -p "$PWD" -c nginx.conf      # listens on 127.0.0.1:${front}
curl http://127.0.0.1:${front}/health
nginx -p "$PWD" -c nginx.conf -s reload                               # after a change
\`\`\`

It sends requests to ${replicas} instance${replicas === 1 ? "" : "s"} on this machine, ports ${port} to ${port + replicas - 1} (\`shimmy init --template systemd\` or \`docker\` makes them). Instances elsewhere: put
their addresses into \`upstream\`. As the system's service: copy what the \`http\` block
contains, without the temp paths, to /etc/nginx/conf.d/${name}.conf.

${AFFINITY_NOTE}

## When an instance goes

- **Health.** nginx asks nobody for it: a connection that is refused goes to the next instance at once,
  as does an answer that ended before its first byte, or a 503 (loading, draining, no room). What has begun to stream ends when its instance dies.
- **Drain.** Send SIGTERM to the instance (\`systemctl stop\`, \`docker compose stop\`): it answers who comes for \`drain_settle\`, then refuses; nginx goes on with the others, and its
  running answers finish for up to ${DRAIN_SECONDS} s. To take it out first, write \`down\` behind its line and reload.
- **429** (the queue is full) reaches the client with its Retry-After: sent elsewhere it would compute the whole prompt again.

## Before it is public

Set \`SHIMMY_API_KEY\` in each instance: behind a proxy every caller looks local. Add \`listen 443 ssl\` with your certificate.
`;
}
