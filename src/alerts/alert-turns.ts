/** Whose turn it is to tell receivers of a problem that several balancers of a fleet see: exactly one of them sends. */

import { type AlertReport, fittingOf, type SeenProblem } from "../fleet/alert-report.ts";
import { isSharedKey, isSharedKind, partKeys, problemKey } from "../problems/problem-key.ts";
import { type ProblemLevel, type ServiceProblem, severityOf } from "../problems/problem.ts";
import type { ToldRow } from "../state/alert-record.ts";

/** Another balancer of the fleet. */
export interface AlertPeer {
  readonly name: string;
  /** Whether it was heard in the last seconds. */
  readonly isAlive: boolean;
  readonly alerts: AlertReport;
}

/** A problem that this balancer sees, as the others have to know it. */
export type SightedProblem = Omit<SeenProblem, "claim">;

/** One that no balancer sees, told by one that is gone, has ended after so long: that one may come back until then. */
const goneMs = 60_000;

/** Reports older than this say nothing about now: the others count a balancer as silent after the same time. */
const freshMs = 3_000;

/** After so many seconds without an exchange it is on its own. Seconds in which the process was frozen do not count. */
const aloneAfterTurns = 6;

interface Claim {
  readonly level: ProblemLevel;
  readonly number: number;
  /** Claims of others that came first, by the name of the balancer; undefined before this one was exchanged. */
  before: ReadonlyMap<string, number> | undefined;
}

/**
 * Each balancer puts a claim into its report when it begins to see a problem. The store takes one report after the other and gives all
 * of them back, so of two balancers at least one finds the claim of the other, and waits for it:
 * ```
 *           report exchanged                   the ones that came first are gone, or do not see it any more
 *  claimed ──────────────────▶ waits its turn ─────────────────────────────────────────────────────────────▶ tells
 * ```
 * What receivers know spreads with the reports too. Without the store each balancer sends all that receivers do not know, as far as it can
 * tell: better twice than never.
 */
export class AlertTurns {
  readonly #self: string;
  readonly #claims = new Map<string, Claim>();
  /** Problems that have no place in the report: the others know nothing of them. */
  #unreported: ReadonlySet<string> = new Set();
  /** Since when no balancer sees a problem that one has sent which is gone. */
  readonly #unseenSince = new WeakMap<ToldRow, number>();
  #lastClaim: number;
  #peers: readonly AlertPeer[] = [];
  #exchangedAt = Number.NEGATIVE_INFINITY;
  #turnsAlone = 0;

  /** @param at epoch milliseconds: claims grow across restarts */
  constructor(self: string, at: number) {
    this.#self = self;
    this.#lastClaim = Math.floor(at);
  }

  /** To be called once a second. */
  turn(): void {
    this.#turnsAlone += 1;
  }

  /** What this balancer is going to report of the problems that it sees, the worst first. */
  claim(sighted: ReadonlyMap<string, SightedProblem>): Readonly<Record<string, SeenProblem>> {
    const reported = fittingOf([...sighted]);
    this.#unreported = new Set([...sighted.keys()].slice(reported.length));
    for (const key of this.#claims.keys())
      if (!isOpen(sighted.get(key)) || this.#unreported.has(key)) this.#claims.delete(key);
    return Object.fromEntries(
      reported.map(([key, problem]) => [key, { ...problem, claim: this.#claimNumber(key, problem) }]),
    );
  }

  #claimNumber(key: string, { level, isPart }: SightedProblem): number {
    if (level === "closed" || isPart) return 0;
    const claim = this.#claims.get(key);
    if (claim && severityOf(claim.level) <= severityOf(level)) return claim.number;
    this.#lastClaim += 1;
    this.#claims.set(key, { level, number: this.#lastClaim, before: undefined });
    return this.#lastClaim;
  }

  /** Whether there is a problem that the others cannot know of yet. */
  hasUnclaimed(open: readonly ServiceProblem[]): boolean {
    return open.some((problem) => {
      const key = problemKey(problem);
      return isSharedKind(problem.kind) && !this.#claims.has(key) && !this.#unreported.has(key);
    });
  }

  /** After an exchange. @param own the report that the others have got @param now by the clock */
  exchanged(own: AlertReport, peers: readonly AlertPeer[], now: number): void {
    this.#peers = peers;
    this.#exchangedAt = now;
    this.#turnsAlone = 0;
    for (const [key, claim] of this.#claims) {
      if (claim.before || seenAs(own, key)?.claim !== claim.number) continue;
      const others = this.#alive.flatMap(({ name, alerts }): [string, number][] => {
        const seen = seenAs(alerts, key);
        return isOpen(seen) ? [[name, seen.claim]] : [];
      });
      claim.before = new Map(others);
    }
  }

  get #alive(): readonly AlertPeer[] {
    return this.#peers.filter(({ isAlive }) => isAlive);
  }

  get #isAlone(): boolean {
    return this.#turnsAlone >= aloneAfterTurns;
  }

  #isFresh(now: number): boolean {
    return now - this.#exchangedAt < freshMs;
  }

  /** Whether a balancer is there, as far as is known. @param now by the clock */
  isThere(name: string, now: number): boolean {
    return name === this.#self || (this.#isFresh(now) && this.#alive.some((peer) => peer.name === name));
  }

  /** Whether this balancer tells the receiver that a problem is open, or worse. @param now by the clock */
  mayTell({ receiver, key, level, told }: Change, now: number): boolean {
    if (this.#isAlone || this.#unreported.has(key)) return true;
    const claim = this.#claims.get(key);
    if (!this.#isFresh(now) || !claim?.before || severityOf(claim.level) > severityOf(level)) return false;
    const { before } = claim;
    return !this.#alive.some(({ name, alerts }) => {
      const seen = seenAs(alerts, key);
      if (!isOpen(seen) || !seen.to.some((index) => alerts.receivers[index] === receiver)) return false;
      if (told !== undefined && severityOf(seen.level) >= severityOf(told)) return false;
      return seen.isPart || before.get(name) === seen.claim;
    });
  }

  /**
   * Whether this balancer tells the receiver that a problem is over, which it does not see itself.
   * @param isOver whether it has seen the end
   */
  mayClose(row: ToldRow, { isOver, now, at }: Ending): boolean {
    const { receiver, key, by } = row;
    const isOwn = by === this.#self && isOver;
    // The others close what they have told, whether or not they can be heard.
    if (this.#isAlone) return isOwn;
    if (!this.#isFresh(now)) return false;
    const alive = this.#alive.filter(({ alerts }) => alerts.receivers.includes(receiver));
    const since = this.#unseenSince.get(row) ?? at;
    this.#unseenSince.delete(row);
    if (this.#alive.some(({ alerts }) => isOpen(seenAs(alerts, key)))) return false;
    if (isOwn) return true;
    if (alive.some(({ name }) => name === by)) return false;
    const witnesses = alive.filter(({ alerts }) => seenAs(alerts, key));
    if (isOver) return witnesses.every(({ name }) => this.#self < name);
    if (witnesses.length > 0) return false;
    if (at - since >= goneMs) return alive.every(({ name }) => this.#self < name);
    this.#unseenSince.set(row, since);
    return false;
  }

  /** Names of the others that see a problem now. */
  seenBy(key: string): readonly string[] {
    return this.#alive.filter(({ alerts }) => isOpen(seenAs(alerts, key))).map(({ name }) => name);
  }
}

/** What a balancer sees, by key: the open problems, the worst first, their parts, and what has ended lately. */
export function sightedIn(
  open: readonly ServiceProblem[],
  closed: readonly ServiceProblem[],
  receiversOf: (problem: ServiceProblem) => readonly number[],
): ReadonlyMap<string, SightedProblem> {
  const sighted = new Map<string, SightedProblem>();
  const add = (key: string, problem: SightedProblem) => sighted.has(key) || sighted.set(key, problem);
  const shared = open.filter(({ kind }) => isSharedKind(kind));
  for (const problem of shared)
    add(problemKey(problem), { level: problem.level, isPart: false, to: receiversOf(problem) });
  for (const problem of open)
    for (const key of partKeys(problem).filter(isSharedKey))
      add(key, { level: problem.level, isPart: true, to: receiversOf(problem) });
  for (const problem of closed)
    if (isSharedKind(problem.kind)) add(problemKey(problem), { level: "closed", isPart: false, to: [] });
  return sighted;
}

interface Change {
  readonly receiver: string;
  readonly key: string;
  readonly level: ProblemLevel;
  /** The worst level that the receiver knows. */
  readonly told: ProblemLevel | undefined;
}

interface Ending {
  readonly isOver: boolean;
  /** By the clock. */
  readonly now: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

function seenAs({ seen }: AlertReport, key: string): SeenProblem | undefined {
  return Object.hasOwn(seen, key) ? seen[key] : undefined;
}

function isOpen<Problem extends Pick<SeenProblem, "level">>(
  seen: Problem | undefined,
): seen is Problem & { readonly level: ProblemLevel } {
  return seen !== undefined && seen.level !== "closed";
}
