import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { ServiceProblem } from "../../src/problems/problem.ts";
import { UnsteadyServer } from "../support/demo-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type Load, startLoad } from "../support/load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fastTime, fromBuild, type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("problems");

/**
 * One balancer at ten times the pace, with a pool for each incident: `errors` (one of three answers 30 % of its requests with
 * 500), `gone` (its only one is stopped) and `full` (two slots and a queue of two). What its page says of these and of
 * all other incidents is read in `browser/incidents.test.ts`.
 */
class Incidents implements AsyncDisposable {
  readonly programs = new Programs();
  readonly #name: string;
  readonly #flags: readonly string[];
  readonly #loads: Load[] = [];
  readonly #cleanups: (() => unknown)[] = [];
  readonly gone = new UnsteadyServer("gone-1", 20);
  proxy!: Program;
  url = "";
  admin = "";

  /** @param name of its files */
  constructor(name: string, ...flags: string[]) {
    this.#name = name;
    this.#flags = flags;
  }

  async start(): Promise<void> {
    const errors = [1, 2, 3].map((number) => new UnsteadyServer(`errors-${number}`, 20));
    for (const server of [...errors, this.gone]) {
      await server.start();
      this.#cleanups.push(() => server.stop());
    }
    if (errors[0]) errors[0].isFailing = true;
    const slow = await startOrigin(({ target }, socket) => {
      const respond = () => void socket.write(respondWith(JSON.stringify({ server: { name: "full-1" } })));
      setTimeout(respond, target === "/readyz" ? 0 : 400);
    });
    this.#cleanups.push(() => slow.close());
    const probe = { path: "/readyz", interval: "10s", changingInterval: "2s", timeout: "20s" };
    const pools = {
      errors: { probe, upstreams: errors.map(({ upstream }) => upstream) },
      gone: { probe, upstreams: [this.gone.upstream] },
      full: {
        ...{ probe, maxInFlight: 2, queue: { maxWaiting: 2, timeout: "20s" } },
        upstreams: [{ url: slow.url, name: "full-1" }],
      },
    };
    const routes = Object.keys(pools).map((pool) => ({ path: `/${pool}`, pool }));
    writeFileSync(inFolder(`${this.#name}.json`), JSON.stringify({ pools, routes }));
    await this.restart();
  }

  /** Starts the balancer, with the state of the one before. */
  async restart(): Promise<void> {
    const files = ["--config", inFolder(`${this.#name}.json`), "--state", inFolder(`${this.#name}.db`)];
    const listen = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0"];
    const command = [...fromBuild, "proxy", ...listen, ...files, ...this.#flags];
    this.proxy = this.programs.start(command, fastTime(10));
    this.url = `http://127.0.0.1:${await this.proxy.port("balancer", 20_000)}`;
    this.admin = `http://127.0.0.1:${await this.proxy.port("admin")}`;
  }

  load(path: string, clients: number): void {
    this.#loads.push(startLoad(this.url + path, clients));
  }

  async problems(query = ""): Promise<readonly ServiceProblem[]> {
    const response = await fetch(`${this.admin}/api/problems${query}`);
    return ((await response.json()) as { problems: ServiceProblem[] }).problems;
  }

  /** The first line of a pool, when there is one that matches. */
  async first(query: string, title: RegExp): Promise<ServiceProblem> {
    let found: readonly ServiceProblem[] = [];
    const matches = async () => title.test((found = await this.problems(query))[0]?.title ?? "");
    await until(matches, `"${title.source}"`, 40_000).catch((error: unknown) => {
      throw new Error(`${String(error)}; the list is ${JSON.stringify(found)}`);
    });
    return found[0] as ServiceProblem;
  }

  /** Finds the three incidents. */
  async areFound(): Promise<void> {
    for (const [path, clients] of [["/errors", 6] as const, ["/full", 8] as const, ["/gone", 1] as const])
      this.load(path, clients);
    this.gone.stop();
    expect((await this.first("?pool=gone", /^No upstream serves pool gone$/)).level).toBe("critical");
    const full = await this.first("?pool=full", /^Pool full turns away .* requests: its queue is full$/);
    expect(full).toMatchObject({ kind: "queue", level: "critical" });
    expect(full.cause.words).toContain("2 of the 2 slots (maxInFlight) are in use");
    const bad = await this.first("?pool=errors", /^errors-1 answers 30 % of its requests with 500$/);
    expect(bad).toMatchObject({ kind: "upstream_errors", level: "critical", do: { verb: "drain" } });
    expect(bad.cause.words).toMatch(/^Only this upstream: the median of its 2 peers is 0 %\./);
    expect(bad.hits).toMatchObject({
      words: expect.stringMatching(/^(1 in \d+|\d+ % of the) requests, [1-9][\d,]* so far$/),
      routes: ["/errors"],
    });
  }

  async run(...argv: readonly string[]) {
    const program = this.programs.start([...fromBuild, ...argv], { ADMIN_URL: this.admin });
    const { code } = await program.exited;
    return { code, lines: program.stdout.split("\n"), err: program.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.programs[Symbol.asyncDispose]();
    await Promise.all(this.#loads.map((load) => load.stop()));
    for (const cleanup of this.#cleanups) await cleanup();
  }
}

describe("the list of problems of a balancer with two workers", () => {
  const incidents = new Incidents("workers", "--workers", "2");
  const ids = (problems: readonly ServiceProblem[]) =>
    problems.filter(({ kind }) => kind === "pool_empty").map(({ id }) => id);
  let emptyIds: string[] = [];
  beforeAll(() => incidents.start(), 30_000);
  afterAll(() => incidents[Symbol.asyncDispose]());

  test("is empty while all is well", async () => {
    expect(await incidents.run("problems")).toEqual({ code: 0, lines: ["No problem.", ""], err: "" });
  }, 20_000);

  test("names three incidents, one line for each", async () => {
    await incidents.areFound();
    expect((await incidents.problems()).map(({ subject: { pool } }) => pool).toSorted()).toEqual([
      ...["errors", "full", "gone"],
    ]);
    expect((await incidents.problems("?pool=gone"))[0]?.parts.map(({ upstream }) => upstream)).toEqual([
      "gone-1",
    ]);
    const { code, lines } = await incidents.run("problems", "--json");
    expect(code).toBe(1);
    expect((JSON.parse(lines[0] ?? "") as { problems: unknown[] }).problems.length).toBe(3);
  }, 90_000);

  test("says a command that ends a problem", async () => {
    const [problem] = await incidents.problems("?pool=errors");
    const [, ...words] = problem?.do.command?.split(" ") ?? [];
    expect((await incidents.run(...words)).code).toBe(0);
    await until(async () => (await incidents.problems("?pool=errors")).length === 0, "it to close", 10_000);
    const [closed] = await incidents.problems("?pool=errors&state=closed");
    expect(closed).toMatchObject({ id: problem?.id, end: { code: "released" } });
  }, 30_000);

  test("is in the event log and in the metrics", async () => {
    const response = await fetch(`${incidents.admin}/api/events?kind=problem&limit=100`);
    const { events } = (await response.json()) as { events: { reason: string; to: string }[] };
    const story = events.map(({ reason, to }) => `${reason} ${to}`);
    for (const line of [
      ...["queue critical", "pool_empty critical", "upstream_errors critical", "upstream_errors closed"],
    ])
      expect(story).toContain(line);
    const metrics = await (await fetch(`${incidents.admin}/metrics`)).text();
    expect(metrics).toContain('evenkeel_problems{kind="pool_empty",level="critical"} 1');
    expect(metrics).toMatch(/evenkeel_problem_harm\{kind="queue"\} [1-9]/);
  }, 20_000);

  test("is watched: a reader says that it has no news while the balancer is gone", async () => {
    emptyIds = ids(await incidents.problems());
    const watch = (...flags: readonly string[]) =>
      incidents.programs.start([...fromBuild, "problems", "--watch", ...flags], {
        ADMIN_URL: incidents.admin,
      });
    const [watching, reading] = [watch(), watch("--json")];
    const hasList = () =>
      [watching, reading].every(({ stdout }) => stdout.includes("No upstream serves pool gone"));
    await until(hasList, "the list");
    await incidents.proxy.kill("SIGKILL");
    const isGone = () => /No news from 127\.0\.0\.1:\d+ since \d\d:\d\d:\d\d UTC/.test(watching.stdout);
    await until(isGone, "that it is gone");
    await until(
      () => /^\{"problems":\[\{"id":"balancer_gone"/m.test(reading.stdout),
      "the same for programs",
    );
    await watching.kill("SIGTERM");
    await reading.kill("SIGTERM");
  }, 20_000);

  test("has the same ids after a kill -9 of the balancer", async () => {
    expect(emptyIds.length).toBe(1);
    await incidents.restart();
    const now = async () => ids(await incidents.problems());
    await until(async () => (await now()).length > 0, "the list", 20_000);
    expect(await now()).toEqual(emptyIds);
  }, 40_000);
});

test("the fetch engine finds the same", async () => {
  await using incidents = new Incidents("fetch", "--engine", "fetch");
  await incidents.start();
  await incidents.areFound();
}, 90_000);

test("a refused reload is a problem until one is taken or it is dismissed; so is a front door that is closed", async () => {
  await using programs = new Programs();
  const file = inFolder("refused.yaml");
  const door = 'frontDoor: "http://127.0.0.1:9/shop"\n';
  const good = `${door}pools: { main: { maxInFlight: 3, upstreams: ["http://127.0.0.1:9"] } }\n`;
  writeFileSync(file, good);
  const listeners = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
  const proxy = programs.evenkeel("proxy", "--config", file, ...listeners);
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const run = async (...argv: readonly string[]) => {
    const program = programs.start([...fromBuild, ...argv], { ADMIN_URL: admin });
    const { code } = await program.exited;
    return { code, out: program.stdout, err: program.stderr };
  };
  const problems = async (state: string) => {
    const { problems: all } = (await (await fetch(`${admin}/api/problems?state=${state}`)).json()) as {
      problems: readonly ServiceProblem[];
    };
    return all;
  };
  const refused = async (state = "open") =>
    (await problems(state)).find(({ kind }) => kind === "reload_refused");
  const reload = async (text: string) => {
    writeFileSync(file, text);
    await fetch(`${admin}/api/reload`, { method: "POST" });
  };
  const isOpen = () => until(async () => (await refused()) !== undefined, "it to open");
  const isOver = () => until(async () => (await refused()) === undefined, "it to close");
  const bad = good.replace("3", "-1");

  await reload(bad);
  await isOpen();
  await reload(good);
  await isOver();
  expect((await refused("closed"))?.end?.code).toBe("over");

  await reload(bad);
  await isOpen();
  const { id = "", do: advice } = (await refused()) ?? {};
  expect(advice?.beside).toMatchObject({ verb: "dismiss", command: `evenkeel problems dismiss ${id}` });
  const dismissed = await run("problems", "dismiss", id, "--reason", "known");
  expect(dismissed).toMatchObject({
    code: 0,
    out: expect.stringContaining(`Dismissed ${id}: The configuration was refused`),
  });
  await isOver();
  expect((await refused("closed"))?.end).toMatchObject({
    code: "dismissed",
    words: expect.stringContaining(": dismissed"),
  });
  const { events } = (await (await fetch(`${admin}/api/events?kind=reload`)).json()) as {
    events: readonly object[];
  };
  expect(events.at(-1)).toMatchObject({ from: "refused", to: "dismissed", detail: "known" });
  expect(await run("problems", "dismiss", id)).toMatchObject({
    code: 2,
    err: expect.stringContaining("No open problem has the id"),
  });
  const [other] = await problems("open");
  expect(await run("problems", "dismiss", other?.id ?? "")).toMatchObject({
    code: 2,
    err: expect.stringContaining("it ends when its cause does"),
  });
  const isClosed = async () => (await problems("open")).find(({ kind }) => kind === "front_door");
  await until(async () => (await isClosed()) !== undefined, "three tries", 30_000);
  expect(await isClosed()).toMatchObject({
    level: "critical",
    title: "Clients cannot reach http://127.0.0.1:9/shop: connection refused",
    subject: { pool: null, address: "http://127.0.0.1:9/shop" },
  });
  await reload(good.replace(door, ""));
  await until(async () => (await isClosed()) === undefined, "it is not asked any more");
}, 60_000);
