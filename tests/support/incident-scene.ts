/** A real balancer in trouble, and the page that its operator looks at: what its first line says, and that all say the same. */

import { writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";

import type { ProblemLevel, ServiceProblem } from "../../src/problems/problem.ts";
import { levelTones, levelWords } from "../../src/dashboard/layout/tone-mark.tsx";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { type Load, startLoad } from "./load.ts";
import { fromBuild, type Program, Programs } from "./program.ts";
import { live, type Visit, visit } from "./visit.ts";
import { until } from "./wait.ts";

/** What the overview says. */
interface Shown {
  readonly heading: string;
  readonly tone: string;
  readonly tab: string;
  readonly icon: string;
  readonly lines: readonly { readonly level: string; readonly tone: string; readonly title: string }[];
  /** Problems that have ended. */
  readonly closed: readonly string[];
}

const readPage = `({
  heading: document.querySelector("h1").textContent.replace(/\\s+/g, " ").trim(),
  tone: document.querySelector("h1").closest("section").querySelector("[data-tone]").dataset.tone,
  tab: document.title,
  icon: document.querySelector('link[rel="icon"]').getAttribute("href"),
  lines: [...document.querySelectorAll("#problem-list > li")].map((line) => ({
    level: line.querySelector(".level").textContent,
    tone: line.dataset.tone,
    title: line.querySelector("h2 a, p > a").textContent,
  })),
  closed: [...document.querySelectorAll(".problem-panel .closed li")].map((line) => line.textContent.trim()),
})`;

const icons = { good: /\/icon\.\w+\.svg$/, warn: /\/icon-warn\./, bad: /\/icon-bad\./ } as const;

/** A busy machine is no fault. */
const patienceMs = 90_000;

export interface Injection {
  readonly browser: Browser;
  /** Path of the configuration file; the state file is beside it. */
  readonly file: string;
  readonly config: object;
  readonly environment?: Record<string, string>;
  readonly flags?: readonly string[];
  /** What runs the program; by default the program itself. */
  readonly command?: readonly string[];
}

export class IncidentScene implements AsyncDisposable {
  static #opened: Promise<void> = Promise.resolve();
  readonly programs = new Programs();
  readonly #loads: Load[] = [];
  readonly #cleanups: (() => unknown)[] = [];
  #visit!: Visit;
  #file = "";
  proxy: Program | undefined;
  url = "";
  admin = "";

  get page(): Page {
    return this.#visit.page;
  }

  /** Called at the end, the last one first. */
  onEnd(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  /** A demo server as a process of its own. */
  async server(
    name: string,
  ): Promise<{ readonly program: Program; readonly url: string; readonly name: string }> {
    const program = this.programs.evenkeel("backend", "--port", "0", "--host", "127.0.0.1", "--name", name);
    return { program, url: `http://127.0.0.1:${await program.port("backend")}`, name };
  }

  /** Starts the balancer and opens its page. */
  async start({
    browser,
    file,
    config,
    environment,
    flags = [],
    command = fromBuild,
  }: Injection): Promise<void> {
    this.#file = file;
    this.configure(config);
    const listen = "listen" in config ? [] : ["--host", "127.0.0.1", "--port", "0"];
    const state = file.replace(/\.\w+$/, ".db");
    const proxy = (this.proxy = this.programs.start(
      [...command, "proxy", ...listen, "--admin-port", "0", "--config", file, "--state", state, ...flags],
      environment,
    ));
    const [port, adminPort] = [await proxy.port("balancer"), await proxy.port("admin")];
    this.url = `http://127.0.0.1:${port}`;
    this.admin = `http://127.0.0.1:${adminPort}`;
    await this.open(browser);
  }

  /** Opens the page of the balancer: one after the other, so that no page waits for the processor of five others. */
  open(browser: Browser): Promise<void> {
    const opened = IncidentScene.#opened.then(() => this.#open(browser));
    IncidentScene.#opened = opened.catch(() => {});
    return opened;
  }

  async #open(browser: Browser): Promise<void> {
    const target = { balancerUrl: this.url, adminUrl: this.admin };
    this.#visit = await visit(browser, target, { protocol: "http/1.1" });
    this.onEnd(() => this.#visit[Symbol.asyncDispose]());
    this.page.setDefaultTimeout(patienceMs);
    await this.#visit.open();
    await live(this.page);
  }

  /** Writes the configuration file. */
  configure(config: object): void {
    writeFileSync(this.#file, JSON.stringify(config, null, 2));
  }

  reload(config: object): Promise<Response> {
    this.configure(config);
    return fetch(`${this.admin}/api/reload`, { method: "POST" });
  }

  /** Sends 25 requests a second for each client. */
  load(path: string, clients: number): Load {
    const load = startLoad(this.url + path, clients);
    this.#loads.push(load);
    return load;
  }

  async read<Value>(path: string): Promise<Value> {
    return (await (await fetch(this.admin + path)).json()) as Value;
  }

  async setMode(id: string, mode: "ready" | "draining" | "maintenance"): Promise<void> {
    const init = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ mode }),
    };
    const { ok, status } = await fetch(`${this.admin}/api/upstreams/${id}/mode`, init);
    if (!ok) throw new Error(`Cannot set the mode of ${id}: status ${status}`);
  }

  async upstream(id: string): Promise<UpstreamSnapshot> {
    const { pools } = await this.read<Snapshot>("/api/snapshot");
    const found = pools.flatMap(({ upstreams }) => upstreams).find((one) => one.id === id);
    if (!found) throw new Error(`Cannot find ${id}`);
    return found;
  }

  /** Resolves when so many milliseconds have passed by the balancer's own clock. */
  async passes(ms: number): Promise<void> {
    const now = async () => (await this.read<Snapshot>("/api/snapshot")).at;
    const startedAt = await now();
    await until(async () => (await now()) - startedAt >= ms, `${ms} ms of the balancer`);
  }

  shown(): Promise<Shown> {
    return this.page.evaluate<Shown>(readPage);
  }

  /** Resolves when the first line of the page is this, at this level, and API, tab, icon and command say the same. */
  async firstLine(title: string | RegExp, level: Exclude<ProblemLevel, "notice">): Promise<void> {
    await this.#settles(`"${String(title)}" as the first line`, async () => {
      const shown = await this.shown();
      const [first] = shown.lines;
      const isSaid = first && (typeof title === "string" ? first.title === title : title.test(first.title));
      if (!isSaid || first.level !== levelWords[level]) return shown;
      return this.#disagreement(shown);
    });
  }

  /** Resolves when the page says that all is well, and everything else says so too. */
  async evenKeel(): Promise<void> {
    await this.#settles("an even keel", async () => {
      const shown = await this.shown();
      return shown.heading.startsWith("On an even keel. ") ? this.#disagreement(shown) : shown;
    });
  }

  /** Resolves when a line about an ended problem begins so. */
  async closedLine(begin: string): Promise<void> {
    await this.#settles(`"${begin}" as a line of what has ended`, async () => {
      const shown = await this.shown();
      return shown.closed.some((line) => line.startsWith(begin)) ? undefined : shown;
    });
  }

  /** Resolves when the page, and the command, have no news of the balancer. */
  async noNews(title: RegExp): Promise<void> {
    await this.#settles(`"${String(title)}" as the only line`, async () => {
      const shown = await this.shown();
      const [first] = shown.lines;
      const isSaid = shown.lines.length === 1 && first?.level === "Critical" && title.test(first.title);
      return isSaid && shown.tab.startsWith(`(1) ${first.title} – `) && icons.bad.test(shown.icon)
        ? undefined
        : shown;
    });
    const { code } = await this.status().exited;
    if (code !== 3) throw new Error(`Cannot accept the exit code ${code} of status`);
  }

  /** `evenkeel status` of the balancer. */
  status(): Program {
    return this.programs.start([...fromBuild, "status"], { ADMIN_URL: this.admin });
  }

  /** @param look returns what is in the way; undefined when it holds */
  async #settles(what: string, look: () => Promise<unknown>): Promise<void> {
    let found: unknown;
    await until(async () => (found = await look()) === undefined, what, patienceMs).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}: ${JSON.stringify(found)}; ${this.proxy?.stderr.slice(-500)}`);
      },
    );
  }

  /** What page, API and command say differently; undefined if they agree. */
  async #disagreement(shown: Shown): Promise<unknown> {
    const { problems } = await this.read<{ problems: readonly ServiceProblem[] }>("/api/problems");
    const listed = problems.filter(({ level }) => level !== "notice");
    const lines = listed.map(({ level, title }) => ({
      level: levelWords[level],
      tone: levelTones[level],
      title,
    }));
    const [worst] = listed;
    const tone = worst ? levelTones[worst.level] : "good";
    const count = `${listed.length} ${listed.length === 1 ? "problem" : "problems"}. `;
    const expected = {
      lines,
      tone,
      heading: worst ? count : "On an even keel. ",
      tab: worst ? `(${listed.length}) ${worst.title} – ` : "On an even keel – ",
    };
    const isSame =
      JSON.stringify(shown.lines) === JSON.stringify(lines) &&
      shown.tone === tone &&
      shown.heading.startsWith(expected.heading) &&
      shown.tab.startsWith(expected.tab) &&
      icons[tone as keyof typeof icons].test(shown.icon);
    if (!isSame) return { shown, expected };
    const status = this.status();
    const { code } = await status.exited;
    const [first = ""] = status.stdout.split("\n");
    const isAgreed =
      first.startsWith(worst?.title ?? "On an even keel. ") && code === (tone === "bad" ? 1 : 0);
    return isAgreed ? undefined : { expected, status: { code, first } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.programs[Symbol.asyncDispose]();
    await Promise.all(this.#loads.map((load) => load.stop()));
    for (const cleanup of this.#cleanups.toReversed()) await cleanup();
  }
}
