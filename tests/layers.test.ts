import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const src = join(import.meta.dirname, "../src");

/** One number for each folder or file. An import goes to a strictly lower number, or stays inside the folder. */
const layers: Readonly<Record<string, number>> = {
  "lib/": 0,
  "runtime/runtime.ts": 0,
  "net/": 1,
  "pool/": 2,
  "policy/": 3,
  "tls/": 3,
  "access/": 3,
  "proxy/": 4,
  "probe/": 4,
  "dns/": 4,
  "state/": 4,
  "metrics/": 4,
  "acme/": 4,
  "engine/engine.ts": 5,
  "fault/": 5,
  "routing/": 5,
  "filter/": 5,
  "problems/": 5,
  "extension/": 6,
  "engine/wire/": 6,
  "engine/fetch/": 6,
  "fleet/": 6,
  "config/": 7,
  "snapshot/": 7,
  "registry/": 8,
  "discovery/": 8,
  "alerts/": 8,
  "history/": 9,
  "requests/": 9,
  "telemetry/": 9,
  "handover/": 9,
  "dataplane/": 10,
  "control/": 11,
  "view/": 12,
  "balancer/": 13,
  "client/": 14,
  "wording/": 14,
  "admin/": 15,
  "dashboard/": 15,
  "backend/": 15,
  "cli/": 16,
  "commands/": 17,
  "runtime/": 17,
  "run.ts": 18,
  "main.ts": 19,
};

/** Entities that own each other: the only import cycle. */
const allowedCycles = [["pool/attempt.ts", "pool/upstream.ts"]];

/** Files under 40 lines, each with its reason; policies and the leaf utilities in lib/ need none. */
const shortFiles: Readonly<Record<string, string>> = {
  "engine/fetch/ws.d.ts": "declares a module",
  "engine/wire/http1/request-buffer.ts": "what a replay adds to the writer of all heads",
  "acme/settings.ts": "configuration and orders share it",
  "control/removal.ts": "orders from here and from other balancers share it",
  "control/configuration-digest.ts": "fleet and snapshots share it",
  "access/access-sharing.ts": "the admin API and the store of a fleet share it",
  "access/accounts.ts": "types that every reader of accounts shares",
  "access/device-token.ts": "signatures, apart from who logs in",
  "admin/schemas/discovery.ts": "pools and upstreams share it",
  "admin/openapi/problem-operations.ts": "one operation, apart from the others of the balancer",
  "dashboard/overview/sought-problem.ts": "what the link of an alert finds, apart from the list",
  "dashboard/layout/problem-count.tsx": "navigation and its own address share it",
  "admin/schemas/parts.ts": "building blocks of all schemas",
  "config/upstream-schema.ts": "pools, discovery and commands share it",
  "config/file-source.ts": "each kind of source has a file",
  "config/source-form.ts": "every kind of source has one",
  "discovery/stopping-containers.ts": "marks that no list of containers has",
  "control/own-listeners.ts": "commands fill it and the controller reads it",
  "commands/config-reader.ts": "every command with a configuration file uses it",
  "commands/screen.ts": "two commands refresh the terminal in place",
  "commands/start.ts": "loads each long-running command on demand",
  "dashboard/layout/not-found.tsx": "one page",
  "dashboard/layout/page-tools.tsx": "every page with rows",
  "dashboard/layout/sort-head.tsx": "tables that are sorted",
  "dashboard/csv-file.ts": "every page with rows",
  "dashboard/requests/request-columns.ts": "columns of a file, apart from markup",
  "dashboard/sort.ts": "addresses of tables that are sorted",
  "dashboard/keys/routes.ts": "two pages, apart from their markup",
  "dashboard/fleet/routes.ts": "two routes, apart from those of other pages",
  "dashboard/layout/tone-mark.tsx": "every mark of a state",
  "dashboard/layout/icon.tsx": "every icon of a button",
  "dashboard/overview/tab.tsx": "page and live fragments share it",
  "dashboard/overview/problem-links.tsx": "cards and titles of problems share it",
  "routing/conditions.ts": "configuration, routes and dry runs share it",
  "engine/wire/last-write-bun.ts": "the one system call that Bun's sockets lack",
  "engine/wire/stream-failure.ts": "both sides of a shared connection know it",
  "engine/wire/http2/flush-queue.ts": "both sides of HTTP/2 send through it",
  "engine/wire/http1/head-limits.ts": "parsers and their owners share it",
  "access/htpasswd.ts": "a file format of other programs",
  "filter/budget.ts": "filters, workers and the store of a fleet share it",
  "filter/address-rule.ts": "two filters, and no more to them",
  "balancer/problem-assembly.ts": "keeps the assembly of all parts short",
  "problems/problem-families.ts": "metrics, apart from the list",
  "problems/detection.ts": "all detectors share it",
  "proxy/compression.ts": "filters and engines share it",
  "proxy/exchange-options.ts": "the exchange and what creates it share it",
  "proxy/response-class.ts": "all that status codes mean to a pool",
  "balancer/fleet-shares.ts": "the assembly without a fleet has none of it",
  "fleet/connection.ts": "commands open it and the assembly hands it on",
  "admin/plain-routes.ts": "listener and API share it",
  "admin/schemas/upgrade.ts": "snapshot and command share it",
  "commands/upgrade-verb.ts": "a verb of its own",
  "history/replaceable-history.ts": "commands swap the store below the history",
  "metrics/upgrade-families.ts": "three metrics of the process, from the snapshot",
  "runtime/executable-path.ts": "the runtime on Bun uses it, and a test",
  "runtime/system-calls-bun.ts": "the C library on Bun",
  "main.ts": "handles signals before it loads the rest",
  "runtime/child-environment.ts": "all that a child process inherits",
  "alerts/signature.ts": "what receivers verify, apart from formats",
  "state/private-file.ts": "state and history share it",
  "runtime/bcrypt-worker.ts": "a thread of its own",
  "runtime/fetch-limit.ts": "main loads it without the rest of the runtime",
  "runtime/parent.ts": "main loads it before all else",
};

/** The longest prefix in the table decides: `engine/engine.ts` before `engine/`. */
function layerOf(file: string): { layer: number; folder: string } {
  const folder = Object.keys(layers)
    .filter((prefix) => file === prefix || (prefix.endsWith("/") && file.startsWith(prefix)))
    .sort((left, right) => right.length - left.length)[0];
  if (folder === undefined) throw new Error(`${file} is in no layer: add its folder to the table`);
  return { layer: layers[folder] ?? NaN, folder };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesBelow(path);
    return /\.tsx?$/.test(name) ? [relative(src, path)] : [];
  });
}

const files = filesBelow(src).map((file) => ({ file, text: readFileSync(join(src, file), "utf8") }));

/** Import specifiers from the source text: a parser of the runtime would drop imports of types. */
function importsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /^\s*(?:import|export)\b[^"';]*?\bfrom\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** Files of this project that a file imports, as paths below `src`. */
const imports = new Map(
  files.map(({ file, text }) => [
    file,
    importsOf(text)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => normalize(join(dirname(file), specifier)))
      .filter((target) => !target.startsWith("..")),
  ]),
);

/** Source without comments, so that prose may name what code may not. */
function codeOf(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

const filesWith = (pattern: RegExp, allowed: RegExp) =>
  files.filter(({ file, text }) => !allowed.test(file) && pattern.test(codeOf(text))).map(({ file }) => file);

const nothing = /^$/;

/** Strongly connected components of more than one file (Tarjan 1972). */
function cycles(): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file) ?? 0);
    stack.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file) ?? 0, low.get(target) ?? 0));
    }
    if (low.get(file) !== index.get(file)) return;
    const component = stack.splice(stack.indexOf(file));
    if (component.length > 1) found.push(component.sort());
  };
  for (const { file } of files) if (!index.has(file)) visit(file);
  return found.sort();
}

describe("the layers", () => {
  test("an import goes to a lower layer, or stays in its folder", () => {
    const wrong: string[] = [];
    for (const [file, targets] of imports) {
      const from = layerOf(file);
      for (const target of targets) {
        const to = layerOf(target);
        if (from.folder !== to.folder && to.layer >= from.layer) wrong.push(`${file} → ${target}`);
      }
    }
    expect(wrong.sort()).toEqual([]);
  });

  test("no files import each other in a circle, types included", () => {
    expect(cycles()).toEqual(allowedCycles);
  });

  test("only the HTTP surfaces import elysia", () => {
    const wrong = files.filter(
      ({ file, text }) =>
        !/^(admin|dashboard|backend)\//.test(file) && importsOf(text).some((name) => /^@?elysia/.test(name)),
    );
    expect(wrong.map(({ file }) => file)).toEqual([]);
  });

  test("the pool knows no HTTP status, no certificate file, no fault injection", () =>
    expect(
      files
        .filter(
          ({ file, text }) =>
            file.startsWith("pool/") && /\b(50[234]|PEM|pem|fault|rehears)/.test(codeOf(text)),
        )
        .map(({ file }) => file),
    ).toEqual([]));

  test("no engine knows fault injection", () =>
    expect(
      files
        .filter(({ file, text }) => file.startsWith("engine/") && /\b(rehears|fault)/i.test(codeOf(text)))
        .map(({ file }) => file),
    ).toEqual([]));
});

describe("the source", () => {
  test("names Bun and Deno only in the runtime and in engine files named for them", () =>
    expect(filesWith(/\b(Bun|Deno)\./, /^runtime\/|^engine\/.*\b(bun|deno)\.ts$/)).toEqual([]));

  test("takes clocks, timers and randomness from lib", () =>
    expect(
      filesWith(
        /\b(performance\.now|Date\.now|Math\.random|setTimeout|setInterval)\b|new Date\(\)/,
        /^lib\//,
      ),
    ).toEqual([]));

  test("writes to the console only in lib/log", () =>
    expect(filesWith(/\bconsole\./, /^lib\/log\.ts$/)).toEqual([]));

  test("reads the process, its arguments and signals only in main, run and the runtime", () =>
    expect(filesWith(/\bprocess\./, /^(main|run)\.ts$|^runtime\//)).toEqual([]));

  test("has no any, no default export, no barrel", () => {
    expect(filesWith(/[:<,|&]\s*any\b|\bas any\b/, nothing)).toEqual([]);
    expect(filesWith(/^export default/m, nothing)).toEqual([]);
    expect(filesWith(/^export \* from/m, nothing)).toEqual([]);
  });

  test("opens every file with a sentence that says what is in it", () => {
    const silent = files.filter(({ text }) => !text.replace(/^(#!.*|\/\/\/.*)\n/, "").startsWith("/** "));
    expect(silent.map(({ file }) => file)).toEqual([]);
  });

  test("exports each name once", () => {
    // One of each for Bun and for Deno: the seam of the two runtimes.
    const seam = new Set(["engines", "fetchEngine", "openSender", "runtime", "wireEngine"]);
    const owners = new Map<string, string[]>();
    for (const { file, text } of files)
      for (const [, name = ""] of text.matchAll(
        /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|interface|type|const|let) (\w+)/gm,
      ))
        owners.set(name, [...(owners.get(name) ?? []), file]);
    expect([...owners].filter(([name, where]) => where.length > 1 && !seam.has(name))).toEqual([]);
  });

  test("has no policy longer than 40 lines and no file longer than 400", () => {
    const limit = (file: string) => (/^policy\/(?!policies)/.test(file) ? 40 : 400);
    const long = files.filter(({ file, text }) => text.split("\n").length - 1 > limit(file));
    expect(long.map(({ file }) => file)).toEqual([]);
  });

  test("has no file shorter than 40 lines without a reason", () => {
    const short = files.filter(
      ({ file, text }) => !/^(policy|lib)\//.test(file) && text.split("\n").length - 1 < 40,
    );
    expect(short.map(({ file }) => file).filter((file) => !(file in shortFiles))).toEqual([]);
  });
});
