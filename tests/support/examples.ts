/** Starts the deployments of the folder `examples` with free ports and servers of the test, and asks them with curl. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { parse, stringify } from "yaml";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { fromBuild, type Program, type Programs } from "./program.ts";

export const examplesFolder = join(import.meta.dirname, "../../examples");

/** The folders with a configuration file. */
export const exampleNames: readonly string[] = readdirSync(examplesFolder).filter((name) =>
  existsSync(join(examplesFolder, name, "evenkeel.yaml")),
);

/** The configuration as a value. */
export type ExampleFile = Record<string, unknown> & {
  listen: ExampleListener | ExampleListener[];
  certificates?: Record<string, unknown>[];
};
type ExampleListener = Record<string, unknown>;

export interface ExampleOptions {
  /** A folder that does not exist, for the copy. */
  readonly folder: string;
  /** What stands in texts of the file, and what takes its place. Each must occur. `/etc/evenkeel` becomes the folder. */
  readonly replaced: Readonly<Record<string, string>>;
  readonly change?: (file: ExampleFile) => void;
}

export interface RunningExample {
  readonly program: Program;
  readonly admin: string;
  /** Of the listeners, in the order of the file. */
  readonly ports: readonly number[];
  /** Path of the copy. */
  readonly file: string;
}

/** The text of the copy. */
export function exampleCopy(name: string, { folder, replaced, change }: ExampleOptions): string {
  const used = new Set<string>();
  const all = { "/etc/evenkeel": folder, ...replaced };
  const replace = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(replace);
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replace(inner)]));
    if (typeof value !== "string") return value;
    return Object.entries(all).reduce((text, [from, to]) => {
      if (text.includes(from)) used.add(from);
      return text.replaceAll(from, to);
    }, value);
  };
  const file = replace(
    parse(readFileSync(join(examplesFolder, name, "evenkeel.yaml"), "utf8")),
  ) as ExampleFile;
  const unused = Object.keys(replaced).filter((from) => !used.has(from));
  if (unused.length > 0) throw new Error(`Cannot replace ${unused.join(", ")}: the example ${name} has none`);
  for (const listener of [file.listen].flat()) Object.assign(listener, { host: "127.0.0.1", port: 0 });
  change?.(file);
  return stringify(file);
}

export async function startExample(
  programs: Programs,
  name: string,
  options: ExampleOptions,
): Promise<RunningExample> {
  const { folder } = options;
  mkdirSync(folder, { recursive: true });
  if (existsSync(join(examplesFolder, name, "evenkeel.ts")))
    cpSync(join(examplesFolder, name, "evenkeel.ts"), join(folder, "evenkeel.ts"));
  const file = join(folder, "evenkeel.yaml");
  writeFileSync(file, exampleCopy(name, options));
  const flags = ["--config", file, "--admin-port", "0"];
  const state = { EVENKEEL_STATE: join(folder, "state.db") };
  const program = programs.start([...fromBuild, "proxy", ...flags], state);
  const admin = `http://127.0.0.1:${await program.port("admin", 20_000)}`;
  const { listeners } = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  return { program, admin, file, ports: listeners.map(({ port }) => port) };
}

export interface CurlReply {
  readonly status: number;
  /** Of the last response, with the trailers of HTTP/2. Names in lower case. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
  header(name: string): string | undefined;
  /** The body of a demo server. */
  readonly echo: DemoEcho;
}

export interface DemoEcho {
  readonly server: { readonly name: string };
  readonly request: {
    readonly path: string;
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
  };
}

/** Runs curl and returns what it wrote. Throws with its error. */
export async function curl(...args: readonly string[]): Promise<string> {
  const command = ["curl", "--silent", "--show-error", "--max-time", "15", ...args];
  const process = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [output, error] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  const code = await process.exited;
  if (code !== 0) throw new Error(`curl exited with ${code}: ${error}`);
  return output;
}

/** Asks with curl; the last argument is the URL. */
export async function ask(...args: readonly string[]): Promise<CurlReply> {
  return replyIn(await curl("--include", ...args));
}

function replyIn(output: string): CurlReply {
  let [head = "", rest] = splitHead(output);
  // Interim responses, and 101, come before.
  while (/^HTTP\/\S+ 1\d\d/.test(head) && rest.startsWith("HTTP/")) [head = "", rest] = splitHead(rest);
  const [start = "", ...lines] = head.split("\r\n");
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(/^HTTP\/\S+ (\d+)/.exec(start)?.[1] ?? 0),
    headers,
    body: rest,
    header: (name) => headers.find(([other]) => other === name.toLowerCase())?.[1],
    get echo() {
      return JSON.parse(rest) as DemoEcho;
    },
  };
}

function splitHead(text: string): [string, string] {
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end + 4)];
}

/** Arguments that make curl connect to these ports of this machine, whatever host a URL names. */
export function connectTo(ports: Readonly<Record<number, number | undefined>>): readonly string[] {
  return Object.entries(ports).flatMap(([port, to]) => ["--connect-to", `:${port}:127.0.0.1:${to}`]);
}
