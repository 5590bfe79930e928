/** Command lines of Evenkeel's engines, of the lower bounds of both, and of the servers behind all proxies. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { maxConnections } from "./limits.ts";
import { programOf } from "./programs.ts";

/** Ports of the three servers behind every proxy: NGINX with files of the given sizes. */
export const originPorts = [29181, 29182, 29183];

export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
  /** The configuration, if it has a file. */
  readonly file?: string;
}

export const nginxBase = (pid: string) =>
  `${user()} daemon off; worker_processes 1; error_log /dev/null; pid ${pid}; events { worker_connections ${2 * maxConnections()}; }`;

/** The servers behind the proxies. @param folder for files and configurations */
export function originPeer(folder: string, sizes: readonly number[]): Peer {
  for (const size of sizes) writeFileSync(join(folder, `${size}.bin`), "x".repeat(size));
  const servers = originPorts.map(
    (port) => `  server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; }`,
  );
  const config = `${nginxBase(join(folder, "origin.pid"))}
http { access_log off; ${nginxFolders(folder)} keepalive_requests 100000000; sendfile on; open_file_cache max=100;
${servers.join("\n")} }
`;
  const file = writeFile(folder, "origin.conf", config);
  const port = originPorts[0] as number;
  return { name: "servers behind the proxies", port, command: [programOf("nginx"), "-c", file], file };
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

interface ConfiguredPeer {
  readonly name: string;
  readonly engine: string;
  readonly port: number;
  readonly folder: string;
  /** Everything but the pools: `main` and `canary` have the servers behind the proxies. */
  readonly settings: object;
}

/** Evenkeel with a configuration file, which is JSON. */
export function configuredPeer({ name, engine, port, folder, settings }: ConfiguredPeer): Peer {
  const poolOf = (name: string) => ({
    upstreams: originPorts.map((origin) => ({
      url: `http://127.0.0.1:${origin}`,
      name: `${name}-${origin}`,
    })),
  });
  const pools = { main: poolOf("main"), canary: poolOf("canary") };
  const text = JSON.stringify({ pools, ...settings });
  const file = writeFile(folder, `evenkeel-${port}.yaml`, text);
  const { command } = evenkeelPeer(engine, port);
  return { name, port, command: [...command.slice(0, -2), "--config", file], file };
}

/** The same with the compiled program in place of its sources. */
export function compiled(peer: Peer, executable: string): Peer {
  return { ...peer, name: `${peer.name}, executable`, command: [executable, ...peer.command.slice(2)] };
}

/** The lower bound of the wire engine's cost, see `bare.ts`. */
export function barePeer(port: number, upstreams = originPorts.length): Peer {
  const main = join(import.meta.dirname, "bare.ts");
  return { name: "bare sockets", port, command: [process.execPath, main, String(port), String(upstreams)] };
}

/** The lower bound of the fetch engine's cost, see `bare-fetch.ts`. */
export function bareFetchPeer(port: number): Peer {
  const main = join(import.meta.dirname, "bare-fetch.ts");
  // It cancels nothing: responses whose client has left count against the limit of 256 until they end.
  const limit = "BUN_CONFIG_MAX_HTTP_REQUESTS=65535";
  return { name: bareFetchName, port, command: ["env", limit, process.execPath, main, String(port)] };
}

export const bareFetchName = "bare fetch";

export function writeFile(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** As root NGINX would drop its privileges and could not read the files. */
function user(): string {
  return process.getuid?.() === 0 ? "user root;" : "";
}

/** Where NGINX may write. */
export function nginxFolders(folder: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => {
      mkdirSync(join(folder, kind), { recursive: true });
      return `${kind}_temp_path ${join(folder, kind)};`;
    })
    .join(" ");
}
