/** The programs that the benchmark needs and compares with, and their versions. */

import { spawnSync } from "node:child_process";

const variables = { haproxy: "HAPROXY", nginx: "NGINX", caddy: "CADDY" } as const;
export type ProxyName = keyof typeof variables;

/** The program of a proxy: the one that its variable names, else the one on the PATH. */
export function programOf(name: ProxyName): string {
  return process.env[variables[name]] || name;
}

/** Tools without which nothing can be measured, and their packages on Debian. NGINX is the server behind every proxy. */
const needed = new Map([
  ["wrk", "wrk"],
  ["taskset", "util-linux"],
  ["h2load", "nghttp2-client"],
  ["openssl", "openssl"],
  [programOf("nginx"), "nginx"],
]);

/** A sentence about tools that are missing; undefined if all are installed. */
export function missingTools(): string | undefined {
  const missing = [...needed].filter(([tool]) => Bun.which(tool) === null);
  if (missing.length === 0) return undefined;
  const packages = missing.map(([, name]) => name).join(" ");
  return `Cannot run the benchmark: ${missing.map(([tool]) => tool).join(", ")} missing. On Debian: apt-get install ${packages}`;
}

/** A line for each proxy to compare with: its version, or that it is left out. */
export function proxyVersions(): readonly string[] {
  const flags = { haproxy: "-v", nginx: "-v", caddy: "version" };
  return (Object.keys(variables) as ProxyName[]).map((name) =>
    Bun.which(programOf(name)) === null
      ? `${name}: left out, not on the PATH and ${variables[name]} names no program`
      : `${name}: ${firstLine(programOf(name), flags[name])}`,
  );
}

/** A line for each tool. */
export function toolVersions(): readonly string[] {
  return [
    `wrk: ${firstLine("wrk", "-v")}`,
    `h2load: ${firstLine("h2load", "--version")}`,
    `openssl: ${firstLine("openssl", "version")}`,
    `taskset: ${firstLine("taskset", "--version")}`,
  ];
}

/** The first line that a program prints, on either stream. */
export function firstLine(program: string, ...flags: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, flags, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n")[0] ?? "";
}
