import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { ServiceProblem } from "../../src/problems/problem.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type Origin, type Responder, startOrigin } from "../support/origin.ts";
import { fromBuild, type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("problems");

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const broken = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

/**
 * One balancer with a pool for each incident, so that all of them happen at the same time: `errors` (one of three answers
 * 40 % of its requests with 500), `killed`, `frozen`, `gone` (all killed) and `full` (two slots and a queue of two).
 */
class Incidents implements AsyncDisposable {
  readonly programs = new Programs();
  readonly #origins: Origin[] = [];
  readonly servers = new Map<string, Program>();
  readonly #held: (() => void)[] = [];
  readonly #loads: (() => void)[] = [];
  proxy!: Program;
  url = "";
  admin = "";

  readonly #name: string;

  /** @param name of its files */
  constructor(name: string) {
    this.#name = name;
  }

  get file(): string {
    return inFolder(`${this.#name}.yaml`);
  }

  get state(): string {
    return inFolder(`${this.#name}.db`);
  }

  async start(...flags: string[]): Promise<void> {
    let answered = 0;
    const good = await this.#origin((_, socket) => void socket.write(ok));
    const bad = await this.#origin(
      ({ target }, socket) => void socket.write(target !== "/readyz" && ++answered % 5 < 2 ? broken : ok),
    );
    const slow = await this.#origin(({ target }, socket) => {
      if (target === "/readyz") socket.write(ok);
      else this.#held.push(() => socket.write(ok));
    });
    for (const name of ["killed-1", "killed-2", "frozen-1", "frozen-2", "gone-1"])
      this.servers.set(name, this.#server(name));
    const upstreamOf = async (name: string) =>
      `"http://127.0.0.1:${await this.servers.get(name)?.port("backend")};name=${name}"`;
    const pools = {
      errors: [
        `"${bad};name=errors-1"`,
        `"${good};name=errors-2"`,
        `"${good.replace("127.0.0.1", "localhost")};name=errors-3"`,
      ],
      killed: [await upstreamOf("killed-1"), await upstreamOf("killed-2")],
      frozen: [await upstreamOf("frozen-1"), await upstreamOf("frozen-2")],
      gone: [await upstreamOf("gone-1")],
      full: [`"${slow};name=full-1"`],
    };
    const probe = "probe: { path: /readyz, interval: 1s, changingInterval: 300ms, timeout: 700ms }";
    const limits = "    maxInFlight: 2\n    queue: { maxWaiting: 2, timeout: 2s }\n";
    writeFileSync(
      this.file,
      [
        "pools:",
        ...Object.entries(pools).map(
          ([name, upstreams]) =>
            `  ${name}:\n    ${probe}\n${name === "full" ? limits : ""}    upstreams: [${upstreams.join(", ")}]`,
        ),
        "routes:",
        ...Object.keys(pools).map((name) => `  - { path: /${name}, pool: ${name} }`),
        "",
      ].join("\n"),
    );
    const listen = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--config", this.file];
    this.proxy = this.programs.evenkeel("proxy", ...listen, "--state", this.state, ...flags);
    this.url = `http://127.0.0.1:${await this.proxy.port("balancer", 20_000)}`;
    this.admin = `http://127.0.0.1:${await this.proxy.port("admin")}`;
  }

  async #origin(respond: Responder): Promise<string> {
    const origin = await startOrigin(respond);
    this.#origins.push(origin);
    return origin.url;
  }

  #server(name: string): Program {
    return this.programs.evenkeel("backend", "--port", "0", "--host", "127.0.0.1", "--name", name);
  }

  /** Requests to a pool, one after the other by each client. */
  load(path: string, clients: number, everyMs = 5): void {
    let isRunning = true;
    const client = async () => {
      while (isRunning) {
        await fetch(this.url + path).then(
          (response) => response.arrayBuffer(),
          () => {},
        );
        await Bun.sleep(everyMs);
      }
    };
    for (let index = 0; index < clients; index++) void client();
    this.#loads.push(() => (isRunning = false));
  }

  async problems(query = ""): Promise<readonly ServiceProblem[]> {
    const response = await fetch(`${this.admin}/api/problems${query}`);
    return ((await response.json()) as { problems: ServiceProblem[] }).problems;
  }

  /** The first line of a pool, when there is one that matches. */
  async first(query: string, title: RegExp, limitMs = 20_000): Promise<ServiceProblem> {
    let found: readonly ServiceProblem[] = [];
    const matches = async () => title.test((found = await this.problems(query))[0]?.title ?? "");
    await until(matches, `"${title.source}"; the list is ${JSON.stringify(found)}`, limitMs);
    return found[0] as ServiceProblem;
  }

  async run(...argv: readonly string[]) {
    const program = this.programs.start([...fromBuild, ...argv], { ADMIN_URL: this.admin });
    const { code } = await program.exited;
    return { code, lines: program.stdout.split("\n"), err: program.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#loads) stop();
    for (const release of this.#held) release();
    this.servers.get("frozen-1")?.child.kill("SIGCONT");
    await this.programs[Symbol.asyncDispose]();
    await Promise.all(this.#origins.map((origin) => origin.close()));
  }
}

describe("the first line, of a real balancer whose servers fail", () => {
  const incidents = new Incidents("wire");
  const ids = (problems: readonly ServiceProblem[]) =>
    problems.filter(({ kind }) => kind === "pool_empty").map(({ id }) => id);
  let emptyIds: string[] = [];
  beforeAll(async () => {
    await incidents.start();
    await incidents.run("status");
  }, 30_000);
  afterAll(() => incidents[Symbol.asyncDispose]());

  test("on an even keel, exit 0", async () => {
    const { code, lines } = await incidents.run("status");
    expect(lines[0]).toBe("On an even keel. All 9 upstreams serve.");
    expect(code).toBe(0);
    expect(await incidents.run("problems")).toEqual({ code: 0, lines: ["No problem.", ""], err: "" });
  }, 20_000);

  test("one of two is killed and retries hide it: a warning", async () => {
    incidents.load("/errors", 12);
    incidents.load("/killed", 4);
    await Bun.sleep(300);
    await incidents.servers.get("killed-1")?.kill("SIGKILL");
    const problem = await incidents.first("?pool=killed", /^killed-1 refuses connections$/);
    expect(problem).toMatchObject({
      kind: "upstream_down",
      level: "warning",
      subject: { pool: "killed", upstream: "killed-1" },
      do: { command: expect.stringContaining("evenkeel events --upstream killed-1") },
      hits: { routes: ["/killed"], requests: 0 },
    });
    const { code, lines } = await incidents.run("status");
    expect(lines[0]).toBe("killed-1 refuses connections");
    expect(lines[1]).toMatch(/^ {2}warning since \d\d:\d\d:\d\d.UTC · /);
    expect(code).toBe(0);
  }, 40_000);

  test("one of two is frozen: it does not answer", async () => {
    incidents.load("/frozen", 4);
    incidents.servers.get("frozen-1")?.child.kill("SIGSTOP");
    await incidents.first("?pool=frozen", /^frozen-1 does not answer$/);
  }, 40_000);

  test("the queue is full: critical, exit 1", async () => {
    incidents.load("/full", 40, 20);
    const problem = await incidents.first(
      "?pool=full",
      /^Pool full turns away .* requests: its queue is full$/,
    );
    expect(problem).toMatchObject({ kind: "queue", level: "critical" });
    expect(problem.cause.words).toContain("2 of the 2 slots (maxInFlight) are in use");
    const { code, lines } = await incidents.run("status");
    expect(lines[0]).toMatch(/^Pool full turns away /);
    expect(code).toBe(1);
    expect((await incidents.run("problems", "--json")).code).toBe(1);
  }, 40_000);

  test("the only upstream of a pool is killed: no upstream serves, and that is one line", async () => {
    incidents.load("/gone", 4);
    await incidents.servers.get("gone-1")?.kill("SIGKILL");
    const problem = await incidents.first("?pool=gone", /^No upstream serves pool gone$/);
    expect(problem.level).toBe("critical");
    await until(
      async () =>
        (await incidents.problems("?pool=gone"))[0]?.parts.some(({ upstream }) => upstream === "gone-1") ===
        true,
      "its upstream as a part",
    );
    expect((await incidents.problems("?pool=gone")).length).toBe(1);
  }, 40_000);

  test("a refused reload: line, key and value", async () => {
    const before = readFileSync(incidents.file, "utf8");
    writeFileSync(incidents.file, before.replace("maxWaiting: 2", "maxWaiting: -1"));
    await fetch(`${incidents.admin}/api/reload`, { method: "POST" });
    const refused = async () => (await incidents.problems()).find(({ kind }) => kind === "reload_refused");
    await until(async () => (await refused()) !== undefined, "the problem");
    expect((await refused())?.title).toMatch(/^The configuration was refused: line \d+, maxWaiting -1$/);
    writeFileSync(incidents.file, before);
    await fetch(`${incidents.admin}/api/reload`, { method: "POST" });
    await until(async () => (await refused()) === undefined, "it to close");
    expect((await incidents.problems("?state=closed")).map(({ kind }) => kind)).toContain("reload_refused");
  }, 40_000);

  test("one of three answers 40 % with 500 and its probe passes; a drain closes it", async () => {
    const problem = await incidents.first(
      "?pool=errors",
      /^errors-1 answers 40 % of its requests with 500$/,
      45_000,
    );
    expect(problem).toMatchObject({ kind: "upstream_errors", level: "critical", do: { verb: "drain" } });
    expect(problem.cause.words).toMatch(/^Only this upstream: the median of its 2 peers is 0 %\./);
    expect(problem.hits.words).toMatch(/^\d+ % of the requests, [\d,]+ so far$/);
    const [, ...words] = problem.do.command?.split(" ") ?? [];
    expect((await incidents.run(...words)).code).toBe(0);
    await until(async () => (await incidents.problems("?pool=errors")).length === 0, "it to close", 10_000);
    const [closed] = await incidents.problems("?pool=errors&state=closed");
    expect(closed).toMatchObject({ id: problem.id, end: { code: "released" } });
  }, 80_000);

  test("all of it is in the event log and in the metrics", async () => {
    const response = await fetch(`${incidents.admin}/api/events?kind=problem&limit=100`);
    const { events } = (await response.json()) as { events: { reason: string; to: string }[] };
    const story = events.map(({ reason, to }) => `${reason} ${to}`);
    for (const line of [
      ...["upstream_down warning", "queue critical", "pool_empty critical", "reload_refused closed"],
      ...["upstream_errors critical", "upstream_errors closed"],
    ])
      expect(story).toContain(line);
    const metrics = await (await fetch(`${incidents.admin}/metrics`)).text();
    expect(metrics).toContain('evenkeel_problems{kind="pool_empty",level="critical"} 1');
    expect(metrics).toMatch(/evenkeel_problem_harm\{kind="queue"\} [1-9]/);
  }, 20_000);

  test("a reader says that it has no news while the balancer is gone", async () => {
    emptyIds = ids(await incidents.problems());
    const watching = incidents.programs.start([...fromBuild, "problems", "--watch"], {
      ADMIN_URL: incidents.admin,
    });
    await until(() => watching.stdout.includes("No upstream serves pool gone"), "the list");
    await incidents.proxy.kill("SIGKILL");
    await until(
      () => /No news from 127\.0\.0\.1:\d+ since \d\d:\d\d:\d\d UTC/.test(watching.stdout),
      "that it is gone",
    );
    await watching.kill("SIGTERM");
  }, 20_000);

  test("after a kill -9 of the balancer the same problems have the same ids", async () => {
    expect(emptyIds.length).toBe(1);
    const listen = ["--host", "127.0.0.1", "--port", "0", "--admin-port", "0", "--config", incidents.file];
    incidents.proxy = incidents.programs.evenkeel("proxy", ...listen, "--state", incidents.state);
    incidents.admin = `http://127.0.0.1:${await incidents.proxy.port("admin")}`;
    const now = async () => ids(await incidents.problems());
    await until(async () => (await now()).length > 0, "the list", 20_000);
    expect(await now()).toEqual(emptyIds);
  }, 40_000);
});

test("a state file that cannot be written is a problem after five seconds", async () => {
  await using incidents = new Incidents("unwritable");
  const folder = inFolder("a-folder");
  mkdirSync(join(folder, "state.db"), { recursive: true });
  await incidents.start("--state", join(folder, "state.db"));
  const problem = await incidents.first("", /^Changes are not saved since \d\d:\d\d UTC: /);
  expect(problem).toMatchObject({ kind: "state_not_kept", level: "warning" });
}, 40_000);

test("two workers, and the fetch engine, find the same", async () => {
  await using workers = new Incidents("workers");
  await using fetching = new Incidents("fetch");
  const prove = async (incidents: Incidents, ...flags: string[]) => {
    await incidents.start(...flags);
    for (const path of ["/errors", "/killed", "/full"]) incidents.load(path, 10);
    await Bun.sleep(500);
    await incidents.servers.get("killed-1")?.kill("SIGKILL");
    await incidents.first("?pool=killed", /^killed-1 refuses connections$/);
    expect((await incidents.first("?pool=full", /^Pool full turns away /)).level).toBe("critical");
    const bad = await incidents.first(
      "?pool=errors",
      /^errors-1 answers 40 % of its requests with 500$/,
      50_000,
    );
    expect(bad).toMatchObject({ level: "critical", kind: "upstream_errors" });
  };
  await Promise.all([prove(workers, "--workers", "2"), prove(fetching, "--engine", "fetch")]);
}, 90_000);
