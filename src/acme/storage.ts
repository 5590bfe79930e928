/** The folder with the account keys and the certificates of one or several authorities. All files are for their owner alone. */

import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { systemWallClock, type WallClock } from "../lib/clock.ts";
import { asRecord, parseJson } from "../lib/json.ts";
import { newSecret } from "../lib/secrets.ts";
import { type CertificatePair, readPair } from "../tls/certificate-pair.ts";
import { type HostLock, takeHostLock } from "./host-lock.ts";
import { tokenPattern } from "./challenges.ts";
import { directoryLabel } from "./settings.ts";

export interface StoredAccount {
  /** Private key as PEM. */
  readonly key: string;
  /** Undefined before the authority has accepted it. */
  readonly url?: string | undefined;
  readonly email?: string | undefined;
}

/** An order that was begun: after a restart it goes on, and no second one is made. */
export interface StoredOrder {
  readonly url: string;
  readonly directory: string;
  /** Private key of the certificate as PEM. */
  readonly key: string;
}

/** How the last orders of a host ended. */
export interface StoredMeta {
  /** Which authority the certificate is from. */
  readonly directory?: string | undefined;
  /** In a row. */
  readonly failures?: number | undefined;
  /** Epoch milliseconds. */
  readonly failedAt?: number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly reason?: string | undefined;
  readonly detail?: string | undefined;
}

/**
 * ```
 *  account-letsencrypt.json
 *  challenges/TOKEN                                 responses to http-01, for every balancer that shares the folder
 *  shop.example.com/cert.pem  key.pem  meta.json   and during an order: order.json  lock
 * ```
 */
export class AcmeStorage {
  readonly #folder: string;
  readonly #pid: number;

  /** @param pid of this process */
  constructor(folder: string, pid: number) {
    this.#folder = folder;
    this.#pid = pid;
  }

  /** The account of a directory; creates its key with `newKey`. Of two balancers that do so at once, both get the first one's. */
  account(directory: string, newKey: () => string): StoredAccount {
    const file = this.#accountFile(directory);
    const stored = readAccount(file);
    if (stored) return stored;
    const created: StoredAccount = { key: newKey() };
    makeFolder(dirname(file));
    const draft = writeDraft(file, JSON.stringify(created));
    try {
      linkSync(draft, file);
    } catch {
      return readAccount(file) ?? this.saveAccount(directory, created);
    } finally {
      rmSync(draft, { force: true });
    }
    return created;
  }

  saveAccount(directory: string, account: StoredAccount): StoredAccount {
    writeWhole(this.#accountFile(directory), JSON.stringify(account));
    return account;
  }

  /** Takes the lock of a host; undefined if another balancer has it. */
  lock(host: string, wallClock: WallClock): HostLock | undefined {
    makeFolder(this.#folder);
    return takeHostLock(this.#file(host, "lock"), this.#pid, wallClock);
  }

  /** The certificate of a host, if it and its key are whole and belong together. */
  certificate(host: string): CertificatePair | undefined {
    const cert = readText(this.#file(host, "cert.pem"));
    if (cert === undefined) return undefined;
    const source = this.#file(host, "cert.pem");
    // Between the two steps of `saveCertificate`, the key of a new certificate is still in the order.
    for (const key of [readText(this.#file(host, "key.pem")), this.order(host)?.key]) {
      const pair = key === undefined ? undefined : readPair({ cert, key, source });
      if (pair && !("why" in pair)) return pair;
    }
    return undefined;
  }

  /** Changes whenever another certificate is stored; empty without one. */
  certificateMark(host: string): string {
    try {
      const { mtimeMs, size, ino } = statSync(this.#file(host, "cert.pem"));
      return `${mtimeMs} ${size} ${ino}`;
    } catch {
      return "";
    }
  }

  /** A crash at any point leaves the old pair or the new one. */
  saveCertificate(host: string, { cert, key }: Pick<CertificatePair, "cert" | "key">): void {
    writeWhole(this.#file(host, "cert.pem"), cert);
    writeWhole(this.#file(host, "key.pem"), key);
    this.saveOrder(host, undefined);
  }

  /** From now on every balancer that shares the folder can answer. */
  saveChallenge(token: string, response: string): void {
    if (!tokenPattern.test(token)) return;
    const folder = join(this.#folder, challengeFolder);
    makeFolder(folder);
    for (const name of readdirSync(folder)) removeIfOld(join(folder, name));
    writeWhole(join(folder, token), response);
  }

  removeChallenge(token: string): void {
    if (tokenPattern.test(token)) rmSync(join(this.#folder, challengeFolder, token), { force: true });
  }

  order(host: string): StoredOrder | undefined {
    const { url, directory, key } = this.#read(host, "order.json");
    const isWhole = typeof url === "string" && typeof directory === "string" && typeof key === "string";
    return isWhole ? { url, directory, key } : undefined;
  }

  saveOrder(host: string, order: StoredOrder | undefined): void {
    const file = this.#file(host, "order.json");
    if (order) writeWhole(file, JSON.stringify(order));
    else rmSync(file, { force: true });
  }

  meta(host: string): StoredMeta {
    const { directory, failures, failedAt, retryAfterMs, reason, detail } = this.#read(host, "meta.json");
    const text = (value: unknown) => (typeof value === "string" ? value : undefined);
    const number = (value: unknown) => (typeof value === "number" && value >= 0 ? value : undefined);
    return {
      directory: text(directory),
      failures: number(failures),
      failedAt: number(failedAt),
      retryAfterMs: number(retryAfterMs),
      reason: text(reason),
      detail: text(detail),
    };
  }

  saveMeta(host: string, meta: StoredMeta): void {
    writeWhole(this.#file(host, "meta.json"), JSON.stringify(meta));
  }

  #accountFile(directory: string): string {
    return join(this.#folder, `account-${directoryLabel(directory)}.json`);
  }

  #file(host: string, name: string): string {
    return join(this.#folder, host, name);
  }

  #read(host: string, name: string): Readonly<Record<string, unknown>> {
    return asRecord(parseJson(readText(this.#file(host, name)) ?? ""));
  }
}

const challengeFolder = "challenges";

/** The response to a challenge of any balancer that shares the folder. Reads a file only for what may be a token. */
export function storedChallenge(folder: string, token: string): string | undefined {
  if (!tokenPattern.test(token)) return undefined;
  try {
    const response = readFileSync(join(folder, challengeFolder, token), "utf8");
    return response.startsWith(`${token}.`) ? response : undefined;
  } catch {
    return undefined;
  }
}

/** Longer than any order takes: what a process that ended in the middle has left. */
const maxChallengeAgeMs = 3_600_000;

function removeIfOld(file: string): void {
  try {
    if (systemWallClock() - statSync(file).mtimeMs > maxChallengeAgeMs) rmSync(file);
  } catch {
    // Another balancer was faster.
  }
}

function readAccount(file: string): StoredAccount | undefined {
  const { key, url, email } = asRecord(parseJson(readText(file) ?? ""));
  if (typeof key !== "string") return undefined;
  return {
    key,
    ...(typeof url === "string" && { url }),
    ...(typeof email === "string" && { email }),
  };
}

/** Undefined for a file that does not exist. What cannot be read is an error: a second account must not hide it. */
function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode } = statSync(folder);
  if ((mode & 0o077) === 0) return;
  try {
    chmodSync(folder, 0o700);
  } catch {
    // It has another owner, who chooses its mode.
  }
}

/** Readers see the old content or the new one, never a part. */
function writeWhole(file: string, text: string): void {
  makeFolder(dirname(file));
  renameSync(writeDraft(file, text), file);
}

function writeDraft(file: string, text: string): string {
  const draft = `${file}.${newSecret().slice(0, 8)}`;
  writeFileSync(draft, text, { mode: 0o600, flag: "wx", flush: true });
  return draft;
}
