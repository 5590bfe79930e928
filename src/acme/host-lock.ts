/** The lock under which one of several balancers that share a folder orders the certificate of a host. */

import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";

import { asRecord, parseJson } from "../lib/json.ts";
import { newSecret } from "../lib/secrets.ts";
import type { WallClock } from "../lib/clock.ts";

export interface HostLock {
  release(): void;
}

/** Longer than an order may take. A process that died with the lock on another machine stops others for this long. */
export const lockLifeMs = 600_000;

interface LockContent {
  /** Different for each time that it is taken. */
  readonly id: string;
  readonly owner: string;
  readonly pid: number;
  readonly expiresAt: number;
}

interface Taker {
  readonly pid: number;
  readonly now: number;
}

/** Ids of the locks that this process has. */
const held = new Set<string>();

/**
 * Takes the lock, or returns undefined if another balancer has it. The file appears whole, by a link, and only one
 * process can make it. Throws the system's error if the folder cannot be written.
 * @param pid of this process
 */
export function takeHostLock(file: string, pid: number, wallClock: WallClock): HostLock | undefined {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const id = newSecret();
  const content: LockContent = {
    id,
    owner: ownerName(),
    pid,
    expiresAt: wallClock() + lockLifeMs,
  };
  const draft = `${file}.${id.slice(0, 12)}`;
  writeFileSync(draft, JSON.stringify(content), { mode: 0o600, flag: "wx" });
  try {
    if (!placed(draft, file) && !(removeStale(file, draft, { pid, now: wallClock() }) && placed(draft, file)))
      return undefined;
  } finally {
    rmSync(draft, { force: true });
  }
  held.add(id);
  return {
    release() {
      held.delete(id);
      // Others may have taken it over meanwhile.
      if (contentOf(file)?.id === id) rmSync(file, { force: true });
    },
  };
}

function placed(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Removes a lock that is over. Another balancer may do the same and have taken it in between: then what was moved
 * away is not what was read, and goes back.
 */
function removeStale(file: string, draft: string, by: Taker): boolean {
  const seen = contentOf(file);
  if (seen && !isStale(seen, by)) return false;
  const aside = `${draft}.old`;
  try {
    renameSync(file, aside);
  } catch {
    return false;
  }
  const isSame = contentOf(aside)?.id === seen?.id;
  if (!isSame) placed(aside, file);
  rmSync(aside, { force: true });
  return isSame;
}

function isStale({ id, owner, pid, expiresAt }: LockContent, { pid: ownPid, now }: Taker): boolean {
  // A clock that was set back would make it last longer.
  if (now >= expiresAt || expiresAt - now > 2 * lockLifeMs) return true;
  if (owner !== ownerName() || held.has(id)) return false;
  return pid === ownPid || !isRunning(pid);
}

function contentOf(file: string): LockContent | undefined {
  try {
    const { id, owner, pid, expiresAt } = asRecord(parseJson(readFileSync(file, "utf8")));
    const isWhole =
      typeof id === "string" &&
      typeof owner === "string" &&
      typeof pid === "number" &&
      typeof expiresAt === "number";
    return isWhole ? { id, owner, pid, expiresAt } : undefined;
  } catch {
    return undefined;
  }
}

/** Machine and namespace of process ids: a pid means something only within both. */
function ownerName(): string {
  try {
    return `${hostname()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

/** Where the system does not say, the lock has to end by its time. */
function isRunning(pid: number): boolean {
  return !existsSync("/proc/self") || existsSync(`/proc/${pid}`);
}
