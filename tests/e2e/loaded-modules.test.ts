/** What a balancer loads: a library of a feature that it does not use costs start time and memory. */

import { expect, test } from "bun:test";
import { join } from "node:path";

import { respondWith, startOrigin } from "../support/origin.ts";
import { Program } from "../support/program.ts";
import { temporaryFolder } from "../support/folder.ts";
import { until } from "../support/wait.ts";

const root = join(import.meta.dirname, "../..");
const inFolder = temporaryFolder("loaded-modules");

test("a balancer loads the features that its configuration uses, and the API with the first request for it", async () => {
  const socket = inFolder("modules");
  const origin = await startOrigin((_, client) => void client.write(respondWith("ok")));
  const preload = join(root, "tests/support/loaded-modules.ts");
  const flags = ["--port", "0", "--admin-port", "0", "--state", ":memory:", "--engine", "wire"];
  const program = new Program(
    [
      ...[process.execPath, "--preload", preload, "src/main.ts", "proxy", ...flags],
      ...["--upstreams", `http://127.0.0.1:${origin.port}`],
    ],
    { LOADED_MODULES_SOCKET: socket },
  );
  const told = async () => {
    const response = await fetch("http://program/", { unix: socket } as RequestInit);
    return (await response.json()) as {
      readonly modules: readonly string[];
      readonly scales: readonly number[];
    };
  };
  const loaded = async (part: string) =>
    (await told()).modules.some(
      (module) => module.startsWith(root) && module.slice(root.length).includes(part),
    );
  try {
    const [port, adminPort] = [await program.port("balancer"), await program.port("admin")];
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
    // The executable starts with a compiler that waits: without this it would do so for ever.
    expect((await told()).scales).toEqual([1]);
    for (const path of ["livez", "readyz", "healthz", "metrics"])
      expect((await fetch(`http://127.0.0.1:${adminPort}/${path}`)).status).toBe(200);
    expect(await loaded("/src/engine/wire/")).toBe(true);
    for (const part of unused) expect([part, await loaded(part)]).toEqual([part, false]);
    expect((await fetch(`http://127.0.0.1:${adminPort}/api/snapshot`)).status).toBe(200);
    expect(await loaded("/node_modules/elysia/")).toBe(true);
  } finally {
    await program.kill("SIGTERM");
    await origin.close();
  }
});

test("from sources it loads the API before other sources can be in their place", async () => {
  const socket = inFolder("later");
  const support = join(root, "tests/support");
  const program = new Program(
    [
      ...[process.execPath, "--preload", join(support, "loaded-modules.ts")],
      ...["--preload", join(support, "fast-time.ts"), "src/main.ts", "proxy", "--engine", "wire"],
      ...["--port", "0", "--admin-port", "0", "--state", ":memory:", "--upstreams", "http://127.0.0.1:1"],
    ],
    { LOADED_MODULES_SOCKET: socket, TIME_PACE: "20" },
  );
  try {
    await program.port("admin");
    await until(async () => {
      const response = await fetch("http://program/", { unix: socket } as RequestInit);
      const { modules } = (await response.json()) as { readonly modules: readonly string[] };
      return modules.some((module) => module.endsWith("/src/admin/app.ts"));
    }, "the API to be loaded");
  } finally {
    await program.kill("SIGTERM");
  }
});

const unused = [
  "/node_modules/elysia/",
  "/src/admin/app.ts",
  "/src/engine/fetch/bun.ts",
  "/src/engine/fetch/http3.ts",
  "/node_modules/acme-client/",
  "/node_modules/ioredis/",
  "/src/fleet/fleet.ts",
  "/src/fleet/acme-fleet.ts",
  "/src/discovery/docker-source.ts",
  "/src/discovery/kubernetes-source.ts",
  "/src/discovery/dns-source.ts",
  "/node_modules/@opentelemetry/exporter",
  "/node_modules/htmx.org/",
  "/src/dashboard/",
];
