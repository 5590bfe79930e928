/** Keeps the certificates and challenges of a fleet the same at all balancers: looks into the store each second, and when told to. */

import type { AcmeSharing, SharedCertificate } from "../acme/acme-sharing.ts";
import type { HeldCertificate } from "../acme/certificate-issuer.ts";
import { type Challenge, type ChallengeTarget, tokenPattern } from "../acme/challenges.ts";
import { OrderFailure } from "../acme/failure.ts";
import { type Cancel, type Clock, repeat, type Schedule } from "../lib/clock.ts";
import { asArray, asRecord, parseJson } from "../lib/json.ts";
import type { Log } from "../lib/log.ts";
import { digestOf } from "../lib/secrets.ts";
import { readPair } from "../tls/certificate-pair.ts";
import { addChallengeScript, lookScript, removeChallengeScript, seenScript } from "./acme-scripts.ts";
import { acmeChannel, AcmeStore, hostKey, type LeaseTimes, patiently } from "./acme-store.ts";
import type { Seal } from "./seal.ts";
import type { FleetStore } from "./store.ts";

export interface AcmeFleetOptions {
  readonly store: FleetStore;
  readonly seal: Seal;
  /** Of this balancer. */
  readonly name: string;
  readonly livePeers: () => number;
  /** Answers the challenges of other balancers here. */
  readonly challenges: ChallengeTarget;
  /** The certificates of this balancer. */
  readonly held: () => readonly HeldCertificate[];
  /** Called with a certificate that another balancer has ordered. */
  readonly onCertificate: (host: string, certificate: SharedCertificate) => void;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly log: Log;
  readonly times?: LeaseTimes;
}

const lookMs = 1_000;

/** Longer than an authority takes for a challenge. */
const maxChallengeMs = 600_000;

/** A balancer has 100 hosts, and four orders at a time. */
const maxChallenges = 200;

/** For a balancer that has not seen a challenge the order waits no longer. */
const maxSeenWaitMs = 3_000;
const seenCheckMs = 25;

const openKey = "acme:open";
const seenKey = (name: string) => `acme:seen:${digestOf(name).slice(0, 32)}`;

export class AcmeFleet implements AcmeSharing {
  readonly #options: AcmeFleetOptions;
  readonly #stored: AcmeStore;
  /** Challenges of other balancers that are answered here, by name. */
  readonly #answered = new Map<string, Challenge>();
  /** Names of challenges of this balancer. */
  readonly #own = new Set<string>();
  /** Certificates that could not be used, by host, so that each is said once. */
  readonly #refused = new Map<string, string>();
  #cancels: readonly Cancel[] = [];
  #isLooking = false;
  #isAgain = false;

  constructor(options: AcmeFleetOptions) {
    this.#options = options;
    this.#stored = new AcmeStore(options);
  }

  lease: AcmeSharing["lease"] = (host) => this.#stored.lease(host);
  account: AcmeSharing["account"] = (directory, own) => this.#stored.account(directory, own);
  saveAccount: AcmeSharing["saveAccount"] = (directory, account) =>
    this.#stored.saveAccount(directory, account);

  start(): void {
    const { store, schedule } = this.#options;
    const look = () => this.#look();
    this.#cancels = [store.onReady(look), repeat(schedule, lookMs, look), store.subscribe(acmeChannel, look)];
    look();
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  async addChallenge(challenge: Challenge): Promise<void> {
    const { store, seal, livePeers, name: peer, clock, schedule } = this.#options;
    const name = nameOf(challenge);
    this.#own.add(name);
    const content = seal.close(`${openKey} ${name}`, JSON.stringify(challenge));
    const args = [name, content, maxChallenges];
    const reply = await patiently(schedule, () =>
      store.eval(addChallengeScript, [openKey, seenKey(name)], args),
    );
    if (reply !== 1) throw new OrderFailure("fleet_failed", "too many challenges are open in the fleet");
    await store.publish(acmeChannel, "challenge").catch(() => {});
    const until = clock() + maxSeenWaitMs;
    while (clock() < until) {
      const seen = await store
        .eval(seenScript, [seenKey(name)], [peer, maxChallengeMs])
        // It is in the store: the others find it when they can.
        .catch(() => 0);
      if (Number(seen) >= livePeers()) return;
      await new Promise<void>((resolve) => void schedule(seenCheckMs, resolve));
    }
  }

  removeChallenge(challenge: Challenge): void {
    const name = nameOf(challenge);
    this.#own.delete(name);
    this.#options.store
      .eval(removeChallengeScript, [openKey, seenKey(name)], [name])
      // It is over after a while in any case.
      .catch(() => {});
  }

  /** One at a time; another one follows if there was a reason meanwhile. */
  #look(): void {
    this.#isAgain = true;
    if (!this.#isLooking) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isLooking = true;
    while (this.#isAgain) {
      this.#isAgain = false;
      // What is known goes on; the next look comes in a second.
      await this.#lookOnce().catch(() => {});
    }
    this.#isLooking = false;
  }

  async #lookOnce(): Promise<void> {
    const held = this.#options.held();
    if (held.length === 0) return;
    const keys = [openKey, ...held.map(({ host }) => hostKey(host))];
    const [open, ...marks] = asArray(await this.#options.store.eval(lookScript, keys, [maxChallengeMs]));
    await this.#answer(asArray(open));
    for (const [index, own] of held.entries())
      await this.#compare(own, { mark: String(marks[index * 2]), from: Number(marks[index * 2 + 1] || NaN) });
  }

  async #answer(open: readonly unknown[]): Promise<void> {
    const { challenges, store, name: peer } = this.#options;
    const found = new Map<string, unknown>();
    for (let index = 0; index < open.length; index += 2) found.set(String(open[index]), open[index + 1]);
    for (const [name, challenge] of this.#answered) {
      if (found.has(name)) continue;
      this.#answered.delete(name);
      challenges.remove(challenge);
    }
    for (const [name, content] of found) {
      if (this.#own.has(name) || this.#answered.has(name)) continue;
      const challenge = this.#challengeIn(name, content);
      if (!challenge) continue;
      this.#answered.set(name, challenge);
      await challenges.add(challenge);
      await store.eval(seenScript, [seenKey(name)], [peer, maxChallengeMs]);
    }
  }

  #challengeIn(name: string, content: unknown): Challenge | undefined {
    const text =
      typeof content === "string" ? this.#options.seal.open(`${openKey} ${name}`, content) : undefined;
    const { type, host, token, response, pair } = asRecord(parseJson(text ?? ""));
    if (typeof host !== "string") return undefined;
    if (type === "http-01" && typeof token === "string" && typeof response === "string")
      return tokenPattern.test(token) ? { type, host, token, response } : undefined;
    const { cert, key } = asRecord(pair);
    if (type !== "tls-alpn-01" || typeof cert !== "string" || typeof key !== "string") return undefined;
    const read = readPair({ cert, key, source: "tls-alpn-01" });
    return "why" in read ? undefined : { type, host, pair: read };
  }

  /** Takes over what another balancer has ordered, and puts back what the store has lost. */
  async #compare(
    { host, pair, directory }: HeldCertificate,
    stored: { readonly mark: string; readonly from: number },
  ): Promise<void> {
    const { onCertificate, log } = this.#options;
    if (stored.mark === (pair?.fingerprint ?? "")) return;
    const isLost = Number.isNaN(stored.from) || stored.from < (pair?.validFrom ?? -Infinity);
    if (isLost) {
      if (pair) await this.#stored.offer(host, pair, directory());
      return;
    }
    if (this.#refused.get(host) === stored.mark) return;
    const certificate = await this.#stored.certificate(host);
    if (certificate) return onCertificate(host, certificate);
    this.#refused.set(host, stored.mark);
    log.warn("certificate of the fleet unreadable", {
      host,
      why: "it was sealed with another key, or is damaged",
    });
  }
}

function nameOf(challenge: Challenge): string {
  return challenge.type === "http-01" ? `token ${challenge.token}` : `alpn ${challenge.host}`;
}
