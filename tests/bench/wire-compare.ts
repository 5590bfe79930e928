/**
 * Compares the wire engine with HAProxy and NGINX: CPU µs per request from /proc, in alternating rounds, the proxies
 * on one core and the load on the other. Needs nginx, haproxy and wrk. `bun tests/bench/wire-compare.ts [rounds] [seconds] [sizes]`
 */

import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [rounds = "3", seconds = "4", sizeList = "120,16384,1048576", connections = "64"] =
  process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "wire-bench-"));
const originPorts = [19181, 19182, 19183];
const sizes = sizeList.split(",").map(Number);

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

for (const size of sizes) write(`${size}.bin`, "x".repeat(size));

const nginxCommon = `user root; daemon off; worker_processes 1; error_log /dev/null; pid ${folder}/PID;
events { worker_connections 4096; }`;
const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
  .join(" ");
const origin = write(
  "origin.conf",
  `${nginxCommon.replace("PID", "origin.pid")} http { access_log off; ${temp} keepalive_requests 100000000; sendfile on; open_file_cache max=100;
${originPorts.map((port) => `server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; }`).join("\n")} }`,
);
const nginx = write(
  "nginx.conf",
  `${nginxCommon.replace("PID", "proxy.pid")} http { access_log off; ${temp} keepalive_requests 100000000;
upstream u { ${originPorts.map((port) => `server 127.0.0.1:${port};`).join(" ")} keepalive 128; keepalive_requests 100000000; }
server { listen 127.0.0.1:19171; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto http; proxy_set_header X-Request-Id $request_id; proxy_set_header Via "1.1 nginx"; proxy_buffering on; } } }`,
);
const haproxy = write(
  "haproxy.cfg",
  `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 3s
  timeout client 75s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:19172
  unique-id-format %{+X}o\\ %ci:%cp_%rt
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  http-request set-header Via "1.1 haproxy"
  default_backend b
backend b
  balance roundrobin
${originPorts.map((port) => `  server s${port} 127.0.0.1:${port}`).join("\n")}
`,
);

const children: Bun.Subprocess[] = [];
function start(core: number, command: string[]): Bun.Subprocess<"ignore", "ignore", "inherit"> {
  const child = Bun.spawn(["taskset", "-c", String(core), ...command], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  children.push(child);
  return child;
}

/** User and system time of a process and its present children, in clock ticks of 10 ms. */
function ticks(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids.filter((pid) => existsSync(`/proc/${pid}/stat`))) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum;
}

function descendants(pid: number): number[] {
  const found = Bun.spawnSync(["pgrep", "-P", String(pid)])
    .stdout.toString()
    .split("\n")
    .filter(Boolean)
    .map(Number);
  return [pid, ...found.flatMap(descendants)];
}

start(1, ["nginx", "-c", origin]);
const proxies = [
  {
    name: "wire",
    port: 19170,
    child: start(0, [
      process.execPath,
      join(import.meta.dirname, "wire-proxy.ts"),
      "19170",
      ...originPorts.map(String),
    ]),
  },
  { name: "haproxy", port: 19172, child: start(0, ["haproxy", "-db", "-f", haproxy, "-q"]) },
  { name: "nginx", port: 19171, child: start(0, ["nginx", "-c", nginx]) },
];
await Bun.sleep(1_000);

try {
  for (const size of sizes) {
    const results = new Map<string, number[][]>();
    for (let round = 0; round <= Number(rounds); round++) {
      for (const { name, port, child } of proxies) {
        const pids = descendants(child.pid);
        const before = ticks(pids);
        const duration = round === 0 ? "2" : seconds;
        const wrk = Bun.spawnSync([
          "taskset",
          "-c",
          "1",
          "wrk",
          "-t1",
          `-c${connections}`,
          `-d${duration}s`,
          "--latency",
          `http://127.0.0.1:${port}/${size}.bin`,
        ]);
        const used = ticks(pids) - before;
        const text = wrk.stdout.toString();
        const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
        const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(text);
        const p99Ms = Number(p99?.[1] ?? 0) * (p99?.[2] === "us" ? 0.001 : p99?.[2] === "s" ? 1000 : 1);
        if (/Socket errors|Non-2xx/.test(text)) console.log(name, text);
        if (round > 0)
          results.set(name, [
            ...(results.get(name) ?? []),
            [(used * 10_000) / requests, requests / Number(duration), p99Ms],
          ]);
      }
    }
    const median = (name: string, column: number) => {
      const values = (results.get(name) ?? []).map((row) => row[column] ?? 0).sort((a, b) => a - b);
      return values[Math.floor(values.length / 2)] ?? 0;
    };
    for (const { name } of proxies) {
      const [cpu, rate, p99] = [median(name, 0), median(name, 1), median(name, 2)];
      console.log(
        `${String(size).padStart(8)} B  ${name.padEnd(8)} ${cpu.toFixed(2).padStart(8)} µs/request  ${(cpu / median("haproxy", 0)).toFixed(2)} × haproxy  ${rate.toFixed(0).padStart(7)} requests/s  p99 ${p99.toFixed(2)} ms`,
      );
    }
  }
} finally {
  for (const child of children) child.kill();
}
