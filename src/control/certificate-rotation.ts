/** Reads the configured certificates again while the balancer runs, and replaces the ones that have changed. */

import { type Cancel, repeat, type Schedule, type WallClock } from "../lib/clock.ts";
import { joinList } from "../lib/list-text.ts";
import type { Log } from "../lib/log.ts";
import {
  type CertificateEntry,
  type CertificateReader,
  type FileProblem,
  readEntry,
} from "../tls/certificate-files.ts";
import { type CertificatePair, readPair } from "../tls/certificate-pair.ts";
import type { CertificateStore } from "../tls/certificate-store.ts";
import type { EventLog } from "./event-log.ts";

export interface CertificateRotationOptions {
  readonly store: Pick<CertificateStore, "replace">;
  /** Where certificates come from, by the current configuration. */
  readonly entries: () => readonly CertificateEntry[];
  readonly reader: CertificateReader;
  /** Whether the engine can present other certificates than those of the start. */
  readonly isLive: boolean;
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
}

/** The result of one look at the files. */
export interface RotationReport {
  /** Files of certificates that are new, or have been replaced. */
  readonly changed: readonly string[];
  /** Files of certificates that are no longer there. */
  readonly removed: readonly string[];
  /** Problems because of which a certificate was not taken; the one in use stays. */
  readonly refused: readonly FileProblem[];
}

const checkIntervalMs = 60_000;

/** Tools write a certificate and its key one after the other: half a pair is no problem for this long. */
const halfPairMs = 60_000;

export class CertificateRotation {
  readonly #options: CertificateRotationOptions;
  /** In use, by file. */
  #pairs: ReadonlyMap<string, CertificatePair> = new Map();
  /** Problems that were reported, or seen first at a time, by file. */
  #problems: ReadonlyMap<string, SeenProblem> = new Map();
  #cancel: Cancel | undefined;
  #isLoaded = false;

  constructor(options: CertificateRotationOptions) {
    this.#options = options;
  }

  /** Reads all certificates for the first time. */
  load(): void {
    this.refresh("balancer");
    this.#isLoaded = true;
  }

  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => void this.refresh("balancer"));
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Looks at all files. A certificate that cannot be used leaves the one in its place. @param by actor */
  refresh(by: string): RotationReport {
    const { store, isLive } = this.#options;
    const { pairs, problems } = this.#read();
    const changed = [...pairs.values()].filter((pair) => this.#pairs.get(pair.source) !== pair);
    const removed = [...this.#pairs.keys()].filter((source) => !pairs.has(source));
    const isChanged = changed.length > 0 || removed.length > 0;
    if (isChanged && this.#isLoaded && !isLive) {
      const why = "the fetch engine takes new certificates only after a restart";
      const waiting = [...changed.map(({ source }) => source), ...removed];
      const refused = waiting.map((path) => ({ path, source: path, why }));
      return { changed: [], removed: [], refused: this.#report([...problems, ...refused], by) };
    }
    this.#pairs = pairs;
    if (isChanged) store.replace("configuration", [...pairs.values()]);
    if (this.#isLoaded) for (const pair of changed) this.#recordChange(pair, by);
    if (this.#isLoaded && removed.length > 0)
      this.#options.log.info("certificates removed", { files: joinList(removed), by });
    const refused = this.#report(problems, by);
    return { changed: changed.map(({ source }) => source), removed, refused };
  }

  /** The certificates to present from now on, in the order of the configuration, and what cannot be used. */
  #read(): {
    readonly pairs: ReadonlyMap<string, CertificatePair>;
    readonly problems: readonly FileProblem[];
  } {
    const { entries, reader, wallClock } = this.#options;
    const pairs = new Map<string, CertificatePair>();
    const problems: FileProblem[] = [];
    const now = wallClock();
    for (const entry of entries()) {
      const found = readEntry(entry, reader, (given) => this.#parse(given));
      const kept = found.problems.flatMap((problem) => this.#concernedBy(problem));
      for (const pair of [...found.pairs, ...kept]) {
        const present = this.#pairs.get(pair.source);
        const isOver = present !== undefined && present !== pair && pair.expiresAt <= now;
        if (isOver)
          problems.push({ path: pair.source, source: pair.source, why: "the certificate has expired" });
        pairs.set(pair.source, isOver ? present : pair);
      }
      problems.push(...found.problems);
    }
    return { pairs, problems };
  }

  /** The certificates in use that a problem must not remove. */
  #concernedBy({ source }: FileProblem): readonly CertificatePair[] {
    const stem = stemOf(source);
    return [...this.#pairs.values()].filter(
      (pair) => stemOf(pair.source) === stem || pair.source.startsWith(`${source.replace(/\/$/, "")}/`),
    );
  }

  /** Unchanged texts stay the same certificate, whose TLS context exists already. */
  #parse(given: Parameters<typeof readPair>[0]): ReturnType<typeof readPair> {
    const present = this.#pairs.get(given.source);
    if (present && present.cert === given.cert && present.key === given.key) return present;
    return readPair(given);
  }

  #recordChange({ source, names, expiresAt }: CertificatePair, by: string): void {
    const { eventLog, log } = this.#options;
    const until = new Date(expiresAt).toISOString().slice(0, 10);
    const text = names.length === 0 ? "without a name" : `for ${joinList(names)}`;
    log.info("certificate replaced", { source, names, expiresAt: new Date(expiresAt).toISOString(), by });
    const common = { kind: "certificate", pool: null, upstream: null, from: "" } as const;
    const detail = `${source}: ${text}, expires on ${until}`.slice(0, maxDetailLength);
    eventLog.add({ ...common, to: "replaced", reason: "certificate_replaced", by, detail });
  }

  /** Reports each problem once. @returns all that are due */
  #report(problems: readonly FileProblem[], by: string): readonly FileProblem[] {
    const now = this.#options.wallClock();
    const seen = new Map<string, SeenProblem>();
    const due: FileProblem[] = [];
    for (const problem of problems) {
      const known = this.#problems.get(problem.path);
      const isKnown = known?.why === problem.why;
      const since = isKnown ? known.since : now;
      const isDue = !problem.isHalf || now - since >= halfPairMs;
      if (isDue) due.push(problem);
      if (isDue && !(isKnown && known.isReported)) this.#recordProblem(problem, by);
      seen.set(problem.path, { why: problem.why, since, isReported: isDue });
    }
    this.#problems = seen;
    return due;
  }

  #recordProblem({ path, why, source }: FileProblem, by: string): void {
    const { eventLog, log } = this.#options;
    const present = this.#pairs.get(source);
    const until = present && new Date(present.expiresAt).toISOString().slice(0, 10);
    const stays = until === undefined ? "" : `; the current certificate stays and expires on ${until}`;
    log.warn("certificate refused", { path, why, ...(until !== undefined && { currentExpires: until }), by });
    const common = { kind: "certificate", pool: null, upstream: null, from: "" } as const;
    const detail = `${path}: ${why}${stays}`.slice(0, maxDetailLength);
    eventLog.add({ ...common, to: "refused", reason: "certificate_refused", by, detail });
  }
}

/** What a certificate and its key have in common: one of both may be missing for a moment. */
function stemOf(path: string): string {
  return path.replace(/(?:\/(?:fullchain|privkey)\.pem|\.(?:pem|crt|key))$/, "");
}

const maxDetailLength = 2_000;

interface SeenProblem {
  readonly why: string;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly isReported: boolean;
}
