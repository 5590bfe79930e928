import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { startDemoServer } from "../support/demo-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("extensions");
const example = join(import.meta.dirname, "../../examples/extensions");
const deno = await findDeno();
const main = join(import.meta.dirname, "../../src/main.ts");

/** The example, with other ports. */
function exampleFor(name: string, ports: readonly number[], routes = ""): string {
  const folder = inFolder(name);
  mkdirSync(folder);
  cpSync(join(example, "evenkeel.ts"), join(folder, "evenkeel.ts"));
  const [a = 0, b = 0] = ports;
  const file = join(folder, "evenkeel.yaml");
  writeFileSync(
    file,
    `pools:
  shop:
    policy: extension:nearest
    upstreams:
      - { url: "http://127.0.0.1:${a}", name: b-1 }
      - { url: "http://127.0.0.1:${b}", name: a-1 }
routes:
  - { path: /tenants, filters: [{ tenant: { known: [blue, green] } }], pool: shop }
${routes}  - { pool: shop }
`,
  );
  return file;
}

const listeners = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--state", ":memory:"];

const ways = [
  ["Bun", "wire", "1"],
  ["Bun", "fetch", "2"],
  ...(deno ? ([["Deno", "wire", "1"]] as const) : []),
] as const;

describe.each(ways)("on %s, the %s engine and %s worker(s), extensions", (runtime, engine, workers) => {
  test("answer requests, add fields and select upstreams; one that throws fails its requests alone", async () => {
    await using programs = new Programs();
    const servers = await Promise.all([startDemoServer("far"), startDemoServer("near")]);
    try {
      const file = exampleFor(
        `${runtime}-${engine}`,
        servers.map(({ port }) => port),
        "  - { path: /broken, filters: [broken], pool: shop }\n  - { path: /odd, filters: [odd], pool: shop }\n",
      );
      const source = join(file, "../own.ts");
      writeFileSync(
        source,
        `import { defineConfig } from "evenkeel";
import example from "./evenkeel.ts";
const broken = () => ({ admit() { throw new Error("no luck"); } });
const odd = () => ({ admit: () => 42 as never });
export default defineConfig({ ...example, filters: { ...example.filters, broken, odd } });
`,
      );
      writeFileSync(file, `extensions: ${source}\n${await Bun.file(file).text()}`);
      const command = runtime === "Deno" ? [deno, "run", "-A", "--unstable-net", main] : fromBuild;
      const proxy = programs.start([
        ...[...command, "proxy", "--config", file, "--engine", engine, "--workers", workers, ...listeners],
      ]);
      const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      const ask = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers });
      const missing = await ask("/tenants");
      expect([missing.status, await missing.text()]).toEqual([400, "X-Tenant is missing\n"]);
      expect((await ask("/tenants", { "X-Tenant": "red" })).status).toBe(403);
      const served = await ask("/tenants", { "X-Tenant": "blue" });
      expect([served.status, served.headers.get("x-served-tenant")]).toEqual([200, "blue"]);
      for (let i = 0; i < 4; i++)
        expect(await (await ask("/")).json()).toMatchObject({ server: { name: "near" } });
      for (const path of ["/broken", "/odd"]) {
        const failed = await ask(path);
        expect([failed.status, await failed.text()]).toEqual([
          500,
          expect.stringContaining("internal_error"),
        ]);
      }
      expect((await ask("/")).status).toBe(200);
      await until(async () => {
        const { events } = (await (await fetch(`${admin}/api/events`)).json()) as {
          events: { kind: string; reason: string; to: string }[];
        };
        return events.some(
          ({ kind, reason, to }) => kind === "extension" && reason === "broken" && to === "failing",
        );
      }, "the event");
      expect(await (await fetch(`${admin}/metrics`)).text()).toContain(
        'evenkeel_extension_failures_total{extension="broken"} 1',
      );
      expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    } finally {
      for (const server of servers) server.close();
    }
  }, 30_000);
});

describe("a file of extensions", () => {
  const problemsOf = async (
    name: string,
    source: string,
    change: (yaml: string) => string = (yaml) => yaml,
  ) => {
    await using programs = new Programs();
    const file = exampleFor(name, [1, 2]);
    writeFileSync(join(file, "../evenkeel.ts"), source);
    writeFileSync(file, change(await Bun.file(file).text()));
    const check = programs.start([...fromBuild, "check", "--config", file]);
    expect((await check.exited).code).toBe(2);
    return check.stderr.replaceAll(inFolder(""), "");
  };
  const importing = (config: string) =>
    `import { defineConfig } from "evenkeel";\nexport default defineConfig(${config});\n`;

  test("is named with what is wrong in it", async () => {
    expect(await problemsOf("syntax", "export default {")).toMatch(/Cannot use extensions.*cannot be loaded/);
    expect(await problemsOf("empty", "export const x = 1;")).toContain("expected a default export");
    expect(await problemsOf("unknown", importing("{ routes: {} }"))).toContain('it defines "routes"');
  });

  test("must have the names that the configuration uses, and accept their settings", async () => {
    const missing = await problemsOf(
      "missing",
      importing("{ filters: { tenants: () => ({ admit() {} }) } }"),
    );
    expect(missing).toMatch(/Cannot use routes\[0\]\.filters\[0\] at .*:8:.*did you mean "tenants"\?/);
    expect(missing).toContain("Cannot use pools.shop.policy");
    const refused = await problemsOf(
      "settings",
      await Bun.file(join(example, "evenkeel.ts")).text(),
      (yaml) => yaml.replace("known: [blue, green]", "known: []"),
    );
    expect(refused).toContain("expected known: a list of tenants");
  });
});
