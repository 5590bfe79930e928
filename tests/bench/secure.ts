/** The rows over TLS and HTTP/2: HTTP/2 with and without TLS, kept connections, full handshakes, and idle connections. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";

import { h2loadCost, type LoadShape, measure, ownMemoryOf } from "./measure.ts";
import { maxConnections } from "./limits.ts";
import { haproxyDefaults } from "./other-proxies.ts";
import { originPorts, type Peer, writeFile } from "./peers.ts";
import { median, ratios, withSpread } from "./figures.ts";
import { programOf } from "./programs.ts";
import { alternate, type Rounds, type Table } from "./scenarios.ts";
import type { RunningProxy, Testbed } from "./testbed.ts";

/** A peer listens for HTTP/2 with prior knowledge on its port, and for TLS on the next one. */
function securePeers(folder: string): readonly Peer[] {
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync(
    "openssl",
    ["req", "-x509", ...curve, "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
    {
      stdio: "ignore",
    },
  );
  // HAProxy reads both from one file.
  const pair = join(folder, "tls.pem");
  writeFileSync(pair, execFileSync("cat", [cert, key]));
  return [
    evenkeel(folder, 29200, { cert, key }),
    haproxy(folder, 29210, pair),
    nginx(folder, 29220, { cert, key }),
  ];
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

function evenkeel(folder: string, port: number, { cert, key }: Pair): Peer {
  const urls = originPorts.map((origin) => `"http://127.0.0.1:${origin}"`).join(", ");
  const config = writeFile(
    folder,
    "evenkeel.yaml",
    `listen:
  - { host: 127.0.0.1, port: ${port}, protocols: [http1, http2] }
  - { name: tls, host: 127.0.0.1, port: ${port + 1}, protocols: [http1, http2], tls: { cert: ${cert}, key: ${key} } }
pools: { main: { upstreams: [${urls}] } }
`,
  );
  const main = join(import.meta.dirname, "../../src/main.ts");
  const flags = ["--config", config, "--admin-port", "0", "--state", ":memory:"];
  return { name: "evenkeel wire", port, command: [process.execPath, main, "proxy", ...flags], file: config };
}

function haproxy(folder: string, port: number, pair: string): Peer {
  const servers = originPorts.map((origin, index) => `  server s${index} 127.0.0.1:${origin} check inter 5s`);
  const file = writeFile(
    folder,
    "haproxy-tls.cfg",
    `${haproxyDefaults()}
frontend f
  bind 127.0.0.1:${port}
  bind 127.0.0.1:${port + 1} ssl crt ${pair} alpn h2,http/1.1
  default_backend b
backend b
  balance roundrobin
${servers.join("\n")}
`,
  );
  return { name: "haproxy", port, command: [programOf("haproxy"), "-db", "-q", "-f", file], file };
}

/** NGINX of this version serves a port without TLS either over HTTP/2 or over HTTP/1.1: here over HTTP/2. */
function nginx(folder: string, port: number, { cert, key }: Pair): Peer {
  const upstream = originPorts.map((origin) => `server 127.0.0.1:${origin};`).join(" ");
  const proxy =
    'proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;';
  const file = writeFile(
    folder,
    "nginx-tls.conf",
    `daemon off; worker_processes 1; error_log /dev/null; pid ${join(folder, "nginx-tls.pid")};
events { worker_connections ${2 * maxConnections()}; }
http { access_log off; keepalive_requests 100000000; ssl_session_cache off;
  upstream u { ${upstream} keepalive 256; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} http2; location / { ${proxy} } }
  server { listen 127.0.0.1:${port + 1} ssl http2; ssl_certificate ${cert}; ssl_certificate_key ${key};
    location / { ${proxy} } } }`,
  );
  return { name: "nginx", port, command: [programOf("nginx"), "-c", file], file };
}

const kept: LoadShape = { path: "/120.bin", connections: 64, seconds: 0, isFresh: false };

/** Each row with the CPU time of a request, and as a multiple of HAProxy's in the same rounds. */
export async function secureRows(testbed: Testbed, rounds: Rounds): Promise<Table> {
  const all = await testbed.startProxies(
    securePeers(testbed.folder),
    ({ port }) => `https://127.0.0.1:${port + 1}`,
  );
  const overTls = (proxy: RunningProxy) => ({ ...proxy, port: proxy.port + 1, scheme: "https" });
  const kinds: Readonly<Record<string, (proxy: RunningProxy, seconds: number) => Promise<number>>> = {
    "HTTP/2, 8 connections × 16 streams": (proxy, seconds) => h2loadCost(proxy, "http", seconds),
    "HTTP/2 over TLS, 8 connections × 16 streams": (proxy, seconds) =>
      h2loadCost(overTls(proxy), "https", seconds),
    "TLS, 64 kept connections": async (proxy, seconds) =>
      (await measure(overTls(proxy), { ...kept, seconds })).cpuMicros,
    "TLS, a full handshake (P-256) each": async (proxy, seconds) =>
      (await measure(overTls(proxy), { ...kept, seconds, isFresh: true })).cpuMicros,
  };
  const rows: string[][] = [];
  for (const [kind, run] of Object.entries(kinds)) {
    const runs = await alternate(all, rounds, run);
    const costs = (name: string) => runs.get(name) ?? [];
    rows.push([
      kind,
      ...all.map(
        ({ name }) =>
          `${withSpread(ratios(costs(name), costs("haproxy")), 2)} × (${median(costs(name)).toFixed(1)} µs)`,
      ),
    ]);
  }
  const grown: string[] = [];
  for (const proxy of all) grown.push(`${(await idleTlsMemory(proxy)).toFixed(1)} KiB`);
  rows.push(["an idle TLS connection", ...grown]);
  await Promise.all(all.map((proxy) => proxy.stop()));
  return { title: "TLS and HTTP/2, 120 bytes", head: ["", ...all.map(({ name }) => name)], rows };
}

const idleCount = 2_000;
const settleMs = 8_000;

async function idleTlsMemory({ pid, port }: RunningProxy): Promise<number> {
  const before = ownMemoryOf(pid);
  const sockets = [];
  for (let i = 0; i < idleCount; i += 100)
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => handshake(port + 1)))));
  // By then the garbage of the handshakes has been collected.
  await Bun.sleep(settleMs);
  const grown = ownMemoryOf(pid) - before;
  for (const socket of sockets) socket.destroy();
  return (grown * 1_024) / idleCount;
}

function handshake(port: number): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
    const socket = connect(options, () => resolve(socket));
    socket.once("error", reject);
  });
}
