/** Random orders at the balancers of a fleet while its parts fail one after the other, and what must be true afterwards. */

import { rmSync } from "node:fs";

import { randomIndex, seededRandom, type Random } from "../../src/lib/random.ts";
import type { Mode } from "../../src/pool/upstream.ts";
import type { UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import type { Member, TestFleet } from "../support/fleet.ts";
import { until } from "../support/wait.ts";

export const upstreamCount = 10;

const list = Array.from(
  { length: upstreamCount },
  (_, index) => `      - { url: "http://127.0.0.1:9", name: s${index} }`,
);

export const manyUpstreams = `pools:
  main:
    probe: { interval: 1h, changingInterval: 1h }
    upstreams:
${list.join("\n")}
`;

interface GivenOrder {
  /** Name of the operator, different for each order. */
  readonly by: string;
  readonly upstream: string;
  readonly mode: Mode;
  /** Who gave the order that this one replaced knowingly; undefined for the first. */
  readonly after: string | undefined;
  /** Whether the balancer said that it is done. If not, it was dying. */
  isDone: boolean;
}

export interface RandomOrdersResult {
  readonly done: number;
  /** Orders that were refused because the upstream had changed in the meantime. */
  readonly refused: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly setAside: number;
  readonly settledMs: number;
  /** Milliseconds from an order to the last balancer at which it counts: median, 90th and 99th percentile, longest. */
  readonly propagationMs: readonly number[];
  /** Empty if all is right. */
  readonly problems: readonly string[];
}

const modes: readonly Mode[] = ["ready", "draining", "maintenance"];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class RandomOrders {
  readonly #fleet: TestFleet;
  readonly #random: Random;
  readonly #orders: GivenOrder[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #away = new Set<Member>();
  #copies: string[] = [];
  #refused = 0;
  #isOver = false;

  constructor(fleet: TestFleet, seed: number) {
    this.#fleet = fleet;
    this.#random = seededRandom(seed);
  }

  /** @param hasFaults false for orders alone @param log gets a line for each fault */
  async run(
    orders: number,
    { hasFaults = true, pauseMs = 40, log = (_: string) => {} } = {},
  ): Promise<RandomOrdersResult> {
    const faults = hasFaults ? this.#failAllTheTime(log) : Promise.resolve();
    for (let number = 0; this.#orders.length < orders && number < orders * 3; number++) {
      await this.#order(number);
      await sleep(this.#random() * pauseMs * 2);
    }
    this.#isOver = true;
    await faults;
    const startedAt = performance.now();
    await this.#settled();
    const settledMs = performance.now() - startedAt;
    for (const copy of this.#copies) rmSync(copy, { recursive: true });
    const [problems, setAside] = await this.#check();
    const done = this.#orders.filter(({ isDone }) => isDone).length;
    const propagationMs = await this.#propagation();
    return {
      done,
      refused: this.#refused,
      faults: this.#faults,
      setAside,
      settledMs,
      propagationMs,
      problems,
    };
  }

  async #order(number: number): Promise<void> {
    const members = this.#fleet.members.filter((one) => !this.#away.has(one));
    const member = members[randomIndex(this.#random, members.length)];
    if (!member) return;
    const upstream = `s${randomIndex(this.#random, upstreamCount)}`;
    const mode = modes[randomIndex(this.#random, modes.length)] ?? "ready";
    const by = `o${number}`;
    let order: GivenOrder | undefined;
    try {
      const { tag, modeSet } = await member.tagged(upstream);
      order = { by, upstream, mode, after: operatorOf(modeSet), isDone: false };
      const headers = { "If-Match": tag, "X-Evenkeel-Actor": by };
      const status = await member.post(`/api/upstreams/${upstream}/mode`, { mode }, headers);
      if (status === 412) return void (this.#refused += 1);
      this.#orders.push({ ...order, isDone: status === 200 });
    } catch {
      // The balancer was killed or frozen: the order may count or not.
      if (order) this.#orders.push(order);
    }
  }

  async #failAllTheTime(log: (line: string) => void): Promise<void> {
    const { redis } = this.#fleet;
    const startedAt = performance.now();
    while (!this.#isOver) {
      await sleep(100 + this.#random() * 400);
      const member = this.#fleet.members[randomIndex(this.#random, this.#fleet.members.length)];
      if (!member) return;
      const holdMs = 200 + this.#random() ** 2 * 3_000;
      const faults: readonly (readonly [name: string, fail: () => Promise<void>])[] = [
        ["store killed", () => this.#restartStore(() => {})],
        ["store frozen", async () => (redis.freeze(), await sleep(holdMs), redis.thaw())],
        ["store flushed", async () => void redis.command("FLUSHALL")],
        ["store lost its data", () => this.#restartStore(() => redis.eraseData())],
        ["store copied", async () => void this.#copies.push(redis.copyOfData())],
        ["store put back", () => this.#putBack()],
        ["balancer cut off", async () => (member.relay.cut(), await sleep(holdMs), member.relay.heal())],
        ["balancer stalled", async () => (member.relay.stall(), await sleep(holdMs), member.relay.heal())],
        ["balancer slowed", async () => (member.relay.slow(60), await sleep(holdMs), member.relay.heal())],
        ["balancer killed", () => this.#restart(member)],
        ["balancer frozen", () => this.#freeze(member, holdMs)],
      ];
      const [name, fail] = faults[randomIndex(this.#random, faults.length)] ??
        faults[0] ?? ["", async () => {}];
      this.#faults[name] = (this.#faults[name] ?? 0) + 1;
      log(
        `${Math.round(performance.now() - startedAt)} ms: ${name}${name.startsWith("balancer") ? ` (${member.name})` : ""}`,
      );
      await fail();
    }
  }

  async #restartStore(change: () => void): Promise<void> {
    const { redis } = this.#fleet;
    await redis.kill();
    change();
    await redis.start();
  }

  #putBack(): Promise<void> {
    const copy = this.#copies[randomIndex(this.#random, this.#copies.length)];
    return this.#restartStore(() => copy !== undefined && this.#fleet.redis.restoreData(copy));
  }

  async #restart(member: Member): Promise<void> {
    this.#away.add(member);
    await member.kill();
    await member.start();
    this.#away.delete(member);
  }

  async #freeze(member: Member, holdMs: number): Promise<void> {
    this.#away.add(member);
    member.program.child.kill("SIGSTOP");
    await sleep(holdMs);
    member.program.child.kill("SIGCONT");
    this.#away.delete(member);
  }

  /** All follow the same commit, and nothing is pending. */
  async #settled(): Promise<void> {
    await until(
      async () => {
        const views = await Promise.all(this.#fleet.members.map((member) => member.fleet()));
        const [first] = views;
        return views.every(
          ({ alone, pending, revision }) => !alone && pending.length === 0 && revision === first?.revision,
        );
      },
      "the balancers agree",
      20_000,
    );
  }

  /** Of the orders that changed something at all balancers: others were overtaken. */
  async #propagation(): Promise<readonly number[]> {
    const seen = new Map<string, number[]>();
    for (const member of this.#fleet.members)
      for (const { by, at } of await member.events("&kind=mode")) {
        const name = by.split(" ")[0] ?? "";
        seen.set(name, [...(seen.get(name) ?? []), at]);
      }
    const times = [...seen.values()]
      .filter((ats) => ats.length === this.#fleet.members.length)
      .map((ats) => Math.round(Math.max(...ats) - Math.min(...ats)))
      .toSorted((left, right) => left - right);
    return [0.5, 0.9, 0.99, 1].map(
      (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? -1,
    );
  }

  async #check(): Promise<readonly [problems: readonly string[], setAside: number]> {
    const problems: string[] = [];
    const asideBy = new Set<string>();
    for (const member of this.#fleet.members) {
      for (const { reason, from } of await member.events("&kind=fleet"))
        if (reason === "intent_set_aside") asideBy.add(/ by (o\d+) at /.exec(from)?.[1] ?? "");
      if ((await member.metric("evenkeel_bugs_total")) > 0) problems.push(`${member.name} has bugs`);
    }
    const standing = new Map<string, string | undefined>();
    for (let index = 0; index < upstreamCount; index++) {
      const id = `s${index}`;
      const shown = await Promise.all(this.#fleet.members.map((member) => member.upstream(id)));
      const texts = new Set(
        shown.map(({ mode, modeSet }) => `${mode} by ${operatorOf(modeSet) ?? "no one"}`),
      );
      if (texts.size > 1) problems.push(`${id} differs: ${[...texts].join(", ")}`);
      const stored = this.#fleet.redis.command("HGET", "ek:{evenkeel}:entries", `mode ${id}`);
      const by = operatorOf(shown[0]?.modeSet ?? null);
      if (by !== undefined && !stored.includes(`"by":"${by}"`)) problems.push(`the store has another ${id}`);
      standing.set(id, by);
    }
    return [[...problems, ...this.#unaccounted(standing, asideBy)], asideBy.size];
  }

  #unaccounted(
    standing: ReadonlyMap<string, string | undefined>,
    asideBy: ReadonlySet<string>,
  ): readonly string[] {
    const children = Map.groupBy(this.#orders, ({ after }) => after);
    const isAccounted = (by: string, upstream: string): boolean => {
      const reached = new Set([by]);
      for (const one of reached) {
        if (standing.get(upstream) === one || asideBy.has(one)) return true;
        for (const child of children.get(one) ?? []) reached.add(child.by);
      }
      return false;
    };
    return this.#orders.flatMap(({ by, upstream, mode, isDone }) => {
      const isKnown =
        isAccounted(by, upstream) ||
        // Two orders that ask for the same are one, in silence.
        this.#orders.some(
          (other) =>
            other.by !== by &&
            other.upstream === upstream &&
            other.mode === mode &&
            isAccounted(other.by, upstream),
        );
      const followers = (children.get(by) ?? []).filter((child) => child.isDone && child.mode !== mode);
      return [
        ...(isDone && !isKnown ? [`${mode} of ${upstream} by ${by} vanished`] : []),
        ...(standing.get(upstream) === by && followers.length > 0
          ? [`${mode} of ${upstream} by ${by} came back after ${followers.map((one) => one.by).join(", ")}`]
          : []),
      ];
    });
  }
}

/** "o7" of "o7 at a" */
function operatorOf(modeSet: UpstreamSnapshot["modeSet"]): string | undefined {
  return modeSet?.by.split(" ")[0];
}
