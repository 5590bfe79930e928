/** Command lines of the compared proxies, which all do the same work, and of the servers behind them. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";

/** Ports of the three servers behind every proxy: NGINX with files of the given sizes. */
export const originPorts = [29181, 29182, 29183];

export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
}

const common = (pid: string) =>
  `daemon off; worker_processes 1; error_log /dev/null; pid ${pid}; events { worker_connections 8192; }`;

/** The command of the servers behind the proxies. @param folder for files and configurations */
export function originCommand(folder: string, sizes: readonly number[]): readonly string[] {
  for (const size of sizes) writeFileSync(join(folder, `${size}.bin`), "x".repeat(size));
  const servers = originPorts.map(
    (port) => `server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; }`,
  );
  const config = `${user()} ${common(join(folder, "origin.pid"))}
http { access_log off; ${temporary(folder)} keepalive_requests 100000000; sendfile on; open_file_cache max=100; ${servers.join("\n")} }`;
  return ["nginx", "-c", writeFile(folder, "origin.conf", config)];
}

/** The installed proxies, Evenkeel's engines first. */
export function peers(folder: string): readonly Peer[] {
  const ours = engineNames.map((engine, index) => evenkeelPeer(engine, 29160 + index));
  return [...ours, haproxyPeer(folder, 29171), nginx(folder, 29172), caddy(folder, 29173)].filter(
    ({ command }) => Bun.which(command[0] ?? ""),
  );
}

/** @param upstreams the number of upstreams; they are names of the same three servers */
export function evenkeelPeer(
  engine: string,
  port: number,
  upstreams = originPorts.length,
  adminPort = 0,
): Peer {
  const urls = Array.from(
    { length: upstreams },
    (_, index) => `http://127.0.0.1:${originPorts[index % originPorts.length]};name=server-${index}`,
  );
  const ports = ["--port", String(port), "--admin-port", String(adminPort)];
  const flags = ["--host", "127.0.0.1", ...ports, "--state", ":memory:"];
  const main = join(import.meta.dirname, "../../src/main.ts");
  const command = [
    process.execPath,
    main,
    "proxy",
    ...flags,
    "--engine",
    engine,
    "--upstreams",
    urls.join(","),
  ];
  return { name: `evenkeel ${engine}`, port, command };
}

/** The lower bound of a proxy's cost, see `bare.ts`. */
export function barePeer(port: number, upstreams = originPorts.length): Peer {
  const main = join(import.meta.dirname, "bare.ts");
  return { name: "bare sockets", port, command: [process.execPath, main, String(port), String(upstreams)] };
}

function nginx(folder: string, port: number): Peer {
  const upstream = originPorts.map((origin) => `server 127.0.0.1:${origin};`).join(" ");
  const config = `${user()} ${common(join(folder, "nginx.pid"))}
http { access_log off; ${temporary(folder)} keepalive_requests 100000000;
  upstream u { ${upstream} keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port ${port};
      proxy_set_header X-Request-Id $request_id; proxy_set_header Via "1.1 nginx"; } } }`;
  return { name: "nginx", port, command: ["nginx", "-c", writeFile(folder, "nginx.conf", config)] };
}

/** @param servers the number of servers, each with the same check as Evenkeel's upstreams */
export function haproxyPeer(folder: string, port: number, servers = originPorts.length): Peer {
  const lines = Array.from(
    { length: servers },
    (_, index) => `  server s${index} 127.0.0.1:${originPorts[index % originPorts.length]} check inter 5s`,
  );
  const config = `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 3s
  timeout client 75s
  timeout server 60s
  option forwardfor
  http-reuse always
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
  return { name: "haproxy", port, command: ["haproxy", "-db", "-q", "-f", file] };
}

function caddy(folder: string, port: number): Peer {
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
  return { name: "caddy", port, command: ["caddy", "run", "--adapter", "caddyfile", "--config", file] };
}

export function writeFile(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** As root NGINX would drop its privileges and could not read the files. */
function user(): string {
  return process.getuid?.() === 0 ? "user root;" : "";
}

function temporary(folder: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => {
      mkdirSync(join(folder, kind), { recursive: true });
      return `${kind}_temp_path ${join(folder, kind)};`;
    })
    .join(" ");
}
