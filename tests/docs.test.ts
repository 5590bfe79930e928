/** Loads every piece of configuration that the pages show, so that none of them is wrong. */

import { beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parse, stringify } from "yaml";

import { loadConfig } from "../src/config/load.ts";
import { describeConfigError } from "../src/config/problem.ts";
import { editorSchema } from "../src/config/schema.ts";
import { readFileText } from "../src/config/yaml-file.ts";
import { TestAuthority } from "./support/acme-authority.ts";

const root = join(import.meta.dirname, "..");
const inFolder = (folder: string) => readdirSync(join(root, folder)).map((name) => join(folder, name));
const examplePages = inFolder("examples")
  .filter((path) => !path.endsWith(".md"))
  .flatMap(inFolder);
const pages = ["README.md", "SECURITY.md", ...inFolder("docs"), "examples/README.md", ...examplePages].filter(
  (path) => path.endsWith(".md"),
);
const texts = pages.map((page) => ({ page, text: readFileSync(join(root, page), "utf8") }));

let pair = { cert: "", key: "" };
beforeAll(async () => void (pair = await (await TestAuthority.create()).pair("shop.example.com")));

interface Fragment {
  /** "docs/routing.md:13" */
  readonly place: string;
  readonly text: string;
}

const lineOf = (text: string, index: number) => text.slice(0, index).split("\n").length;

/** `yml` is of other programs. */
const blocks = texts.flatMap(({ page, text }) =>
  [...text.matchAll(/^( *)```yaml\n(.*?)^ *```$/gms)].map(
    ({ index, 1: indent = "", 2: inside = "" }): Fragment => ({
      place: `${page}:${lineOf(text, index)}`,
      text: inside.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }),
  ),
);

/** A setting with a value in a sentence, such as `http2: true`. */
const settings = texts.flatMap(({ page, text }) => {
  const prose = text.replace(/^ *```.*?^ *```$/gms, (block) => block.replaceAll(/[^\n]/g, " "));
  return (
    [...prose.matchAll(/`((?:[a-z]\w*|<name>)(?:\.(?:\w+|<name>))*: [^`]+)`/g)]
      .map(({ index, 1: inside = "" }): Fragment => ({
        place: `${page}:${lineOf(prose, index)}`,
        text: inside,
      }))
      // A list of names, without values.
      .filter((fragment) => !/\{ (\w+, )*\w+ \}/.test(fragment.text))
  );
});

/** In place of what only the reader has. */
const withoutGaps = (text: string) =>
  text
    .replaceAll("sha256:…", `sha256:${"0".repeat(64)}`)
    .replaceAll("t=2,p=1$…", `t=2,p=1$${"A".repeat(22)}$${"A".repeat(43)}`);

type Value = Record<string, unknown>;
const isMap = (value: unknown): value is Value =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The whole file that a piece belongs to: with the pools that it names, and certificates where it has TLS. */
function completed(value: Value): Value {
  const routes = (value["routes"] ?? []) as Value[];
  const named = [...routes, ...Object.values((value["profiles"] ?? {}) as Value), value["defaults"]]
    .filter(isMap)
    .flatMap((route) => [
      route["pool"],
      ...Object.keys(((route["split"] as Value | undefined)?.["pools"] ?? {}) as Value),
      (route["forwardAuth"] as Value | undefined)?.["pool"],
    ])
    .concat(((value["alerts"] ?? []) as Value[]).flatMap((receiver) => receiver["pools"] ?? []))
    .filter((name): name is string => typeof name === "string");
  const given = (value["pools"] ?? {}) as Record<string, Value>;
  const pools = [...new Set([...Object.keys(given), ...named])].map((name, index) => [
    name,
    { upstreams: [`http://10.9.0.${index + 1}:80`], ...given[name] },
  ]);
  const hasTls = JSON.stringify(value["listen"] ?? "").includes('"tls"');
  return {
    ...value,
    ...(hasTls && {
      certificates: [...((value["certificates"] ?? []) as Value[]), { cert: "/a.pem", key: "/a.key" }],
    }),
    pools: pools.length > 0 ? Object.fromEntries(pools) : { main: { upstreams: ["http://10.9.0.1:80"] } },
  };
}

/** Problems of the file, as `check` reports them; empty without any. */
function problemsOf(value: Value, name: string): string {
  const file = readFileText(stringify(completed(value), { aliasDuplicateObjects: false }), name);
  const loaded = loadConfig({
    values: [],
    file,
    read: (path) =>
      /password|(fleet|ticket|pagerduty)-key/.test(path)
        ? "k".repeat(32)
        : path.endsWith("slack-key")
          ? "https://hooks.slack.com/services/x"
          : /key/.test(path)
            ? pair.key
            : path.endsWith("htpasswd")
              ? `ann:$2y$10$${"a".repeat(53)}`
              : pair.cert,
    list: () => [],
    // Pages name extensions of their own, which are checked where they are.
    extensions: { find: () => undefined, defaultPath: "evenkeel.ts" },
    defaultState: "/var/lib/evenkeel/state.db",
    purpose: "check",
  });
  return loaded.kind === "invalid" ? describeConfigError(loaded) : "";
}

/** Where a piece may stand that is not at the top of a file. A route and a certificate need more than one setting. */
const places: readonly ((piece: Value) => Value)[] = [
  (piece) => piece,
  (pool) => ({ pools: { main: pool } }),
  (listen) => ({ listen }),
  (listen) => ({ listen: [{ port: 443, tls: true, ...listen }] }),
  (listen) => ({
    listen: [
      { port: 443, tls: true },
      { port: 80, ...listen },
    ],
    routes: [{ host: "a.test", pool: "main" }],
  }),
  (route) => ({ routes: [{ pool: "main", ...route }] }),
  (tls) => ({ listen: { tls } }),
  (hsts) => ({ listen: [{ port: 443, tls: { hsts } }] }),
  (client) => ({ listen: { tls: { clientCertificates: { ca: "/ca.pem", ...client } } } }),
  (timeouts) => ({ pools: { main: { timeouts } } }),
  (queue) => ({ pools: { main: { maxInFlight: 1, queue } } }),
  (probe) => ({ pools: { main: { probe } } }),
  (tls) => ({ pools: { main: { upstreams: ["https://10.9.0.1:443"], upstreamTls: tls } } }),
  (log) => ({ accessLog: { to: "stdout", ...log } }),
  (acme) => ({
    certificates: [{ acme: { agree: true, hosts: ["a.example"], ...acme } }],
    listen: { port: 443, tls: true },
  }),
  (limit) => ({ routes: [{ pool: "main", rateLimit: { rate: "1/s", ...limit } }] }),
  (auth) => ({ routes: [{ pool: "main", forwardAuth: { pool: "main", ...auth } }] }),
  (basic) => ({ routes: [{ pool: "main", basicAuth: { usersFile: "/htpasswd", ...basic } }] }),
  (cors) => ({ routes: [{ pool: "main", cors: { origins: ["https://a.example"], ...cors } }] }),
  (compress) => ({ routes: [{ pool: "main", compress }] }),
  (split) => ({ routes: [{ split: { pools: { main: 1, other: 1 }, ...split } }] }),
  (sticky) => ({ pools: { main: { sticky } } }),
  (source) => ({ pools: { main: { upstreams: [{ file: "members.yaml", ...source }] } } }),
  (source) => ({ pools: { main: { upstreams: [source] } } }),
  (docker) => ({ pools: { main: { upstreams: [{ docker: { label: "app", ...docker } }] } } }),
  (receiver) => ({ alerts: [{ format: "slack", secretFile: "/slack-key", ...receiver }] }),
  (receiver) => ({ alerts: [{ secretFile: "/ticket-key", ...receiver }] }),
  (kubernetes) => ({ pools: { main: { upstreams: [{ kubernetes: { service: "web", ...kubernetes } }] } } }),
];

/** Problems of a piece in the place where it has none; in the first place if it has some everywhere. */
function problemsAnywhere(piece: unknown, name: string): string {
  if (Array.isArray(piece)) return problemsOf({ routes: piece }, name);
  if (!isMap(piece)) return `${name} is neither a map nor a list`;
  // A file of members is no configuration.
  if ("members" in piece) return problemsOf({ pools: { main: { upstreams: piece["members"] } } }, name);
  const first = problemsOf(piece, name);
  const isTop = Object.keys(piece).every((key) => key in (editorSchema()["properties"] as object));
  if (first === "" || (isTop && Object.keys(piece).length > 1)) return first;
  return places.slice(1).some((place) => problemsOf(place(piece), name) === "") ? "" : first;
}

const problemsIn = (pieces: readonly { readonly place: string; readonly piece: unknown }[]) =>
  pieces.map(({ place, piece }) => problemsAnywhere(piece, place)).filter((problem) => problem !== "");

/** `pools.<name>.retries: 1` as a map in maps. */
function mapOf(text: string): unknown {
  const [, path = "", value = ""] = /^(\S+): (.*)$/.exec(text) ?? [];
  const keys = path.replaceAll("<name>", "main").split(".");
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), parse(value));
}

/** Of the interface of extensions, and no setting. */
const others = new Set(["keyed: true", "format: extension:tickets"]);

describe("the pages show only configuration that is valid:", () => {
  test(`${blocks.length} blocks`, () => {
    expect(blocks.length).toBeGreaterThan(10);
    expect(
      problemsIn(blocks.map(({ place, text }) => ({ place, piece: parse(withoutGaps(text)) as unknown }))),
    ).toEqual([]);
  });

  test(`${settings.length} settings in sentences`, () => {
    expect(settings.length).toBeGreaterThan(30);
    const once = settings.filter(
      ({ text }, index) => !others.has(text) && settings.findIndex((other) => other.text === text) === index,
    );
    expect(problemsIn(once.map(({ place, text }) => ({ place, piece: mapOf(text) })))).toEqual([]);
  });

  test("and would not pass what is wrong", () => {
    for (const wrong of [
      "routs: []",
      "routes: [{ host: a.test, pol: main }]",
      "prob: { path: /x }",
      "retries: 9",
    ])
      expect([wrong, problemsAnywhere(parse(wrong), "page")]).toEqual([
        wrong,
        expect.stringMatching(/^Cannot use /),
      ]);
  });
});
