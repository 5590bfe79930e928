/** Command lines and configurations of the proxies that Evenkeel is compared with; all of them do the same work. */

import { join } from "node:path";

import { maxConnections } from "./limits.ts";
import { nginxBase, nginxFolders, originPorts, type Peer, writeFile } from "./peers.ts";
import { programOf } from "./programs.ts";

export function nginxPeer(folder: string, port: number): Peer {
  const upstream = originPorts.map((origin) => `server 127.0.0.1:${origin};`).join(" ");
  const config = `${nginxBase(join(folder, "nginx.pid"))}
http { access_log off; ${nginxFolders(folder)} keepalive_requests 100000000;
  upstream u { ${upstream} keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port ${port};
      proxy_set_header X-Request-Id $request_id; proxy_set_header Via "1.1 nginx"; } } }`;
  const file = writeFile(folder, "nginx.conf", config);
  return { name: "nginx", port, command: [programOf("nginx"), "-c", file], file };
}

/** So many have room beside the clients, see {@link maxConnections}. */
const fewServers = 600;

/**
 * What all configurations of HAProxy begin with: one thread, the timeouts of Evenkeel, connections that are kept. It reserves two
 * descriptors for each client and one for the check of each server, and does not start if these are more than the limit.
 */
export function haproxyDefaults(servers = originPorts.length): string {
  return `global
  nbthread 1
  maxconn ${maxConnections() - Math.ceil(Math.max(0, servers - fewServers) / 2)}
defaults
  mode http
  timeout connect 3s
  timeout client 75s
  timeout server 60s
  option forwardfor
  http-reuse always`;
}

/** @param servers the number of servers, each with the same check as Evenkeel's upstreams */
export function haproxyPeer(folder: string, port: number, servers = originPorts.length): Peer {
  const lines = Array.from(
    { length: servers },
    (_, index) => `  server s${index} 127.0.0.1:${originPorts[index % originPorts.length]} check inter 5s`,
  );
  const config = `${haproxyDefaults(servers)}
frontend f
  bind 127.0.0.1:${port} backlog 4096
  unique-id-format %{+X}o\\ %ci:%cp_%rt
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port ${port}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  default_backend b
backend b
  balance roundrobin
${lines.join("\n")}
`;
  const file = writeFile(folder, `haproxy-${port}.cfg`, config);
  return { name: "haproxy", port, command: [programOf("haproxy"), "-db", "-q", "-f", file], file };
}

export function caddyPeer(folder: string, port: number): Peer {
  const upstreams = originPorts.map((origin) => `127.0.0.1:${origin}`).join(" ");
  const config = `{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port} {
  reverse_proxy ${upstreams} {
    lb_policy round_robin
  }
}
`;
  const file = writeFile(folder, "Caddyfile", config);
  const command = [programOf("caddy"), "run", "--adapter", "caddyfile", "--config", file];
  return { name: "caddy", port, command, file };
}
