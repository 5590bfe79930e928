/** Reads and commits the shared orders: whole, and by compare-and-set on the whole, so that no write is based on half a view. */

import { randomBytes } from "node:crypto";

import { asArray } from "../lib/json.ts";
import { type Entry, parseEntry, serializeEntry } from "./entry.ts";
import type { Known } from "./journal.ts";
import type { SharedState } from "./reconcile.ts";
import { type FleetStore, FleetStoreError } from "./store.ts";

/** What the fleet can hold. More is a mistake, or not ours. */
export const maxSharedOrders = 10_000;
export const maxSharedBytes = 1_048_576;

/** So many commits, a balancer that was away can tell that the store is the one that it knew. About 150 KB. */
const maxNonces = 10_000;

/** So long, a withdrawn order is remembered, for balancers that were away. */
const withdrawnMs = 30 * 86_400_000;

/** The channel of hints. A hint says only "look". */
export const changedChannel = "changed";

const keys = ["epoch", "nonces", "entries", "withdrawn"] as const;

/** The field of `entries` that says to which life of the data it belongs: an eviction may remove one key and leave the others. */
const epochField = "@epoch";

/**
 * ARGV: epoch and nonce that the caller knows, whether to read in any case, limits on entries, bytes and nonces.
 * Returns epoch, nonce, mark, whether the data goes on from what the caller knows, and one of: "same"; "read" and the entries;
 * "large" and the number of entries.
 */
const readScript = `
local epoch = redis.call('GET', KEYS[1]) or ''
local nonce = redis.call('LINDEX', KEYS[2], 0) or ''
local mark = redis.call('HGET', KEYS[3], '${epochField}') or ''
local continued = 0
local whole = mark == epoch and (epoch == '') == (nonce == '')
if whole and epoch == ARGV[1] then
  if nonce == ARGV[2] then
    continued = 1
    if ARGV[3] == '0' then return {epoch, nonce, mark, 1, 'same'} end
  elseif redis.call('LPOS', KEYS[2], ARGV[2]) or redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[6]) then
    continued = 1
  end
end
local count = redis.call('HLEN', KEYS[3])
if count > tonumber(ARGV[4]) + 1 then return {epoch, nonce, mark, continued, 'large', count} end
local all = redis.call('HGETALL', KEYS[3])
local bytes = 0
for index = 1, #all do bytes = bytes + #all[index] end
if bytes > tonumber(ARGV[5]) then return {epoch, nonce, mark, continued, 'large', count} end
return {epoch, nonce, mark, continued, 'read', all}`;

/**
 * ARGV: epoch, nonce and mark that must still be there; epoch and nonce to set; limit on nonces; milliseconds for withdrawn
 * orders; the channel; then for each entry its key, its JSON, and 1 if it is a withdrawal.
 * Returns 1, or 0 if another commit came between: nothing was written then.
 */
const commitScript = `
local epoch = redis.call('GET', KEYS[1]) or ''
local nonce = redis.call('LINDEX', KEYS[2], 0) or ''
local mark = redis.call('HGET', KEYS[3], '${epochField}') or ''
if epoch ~= ARGV[1] or nonce ~= ARGV[2] or mark ~= ARGV[3] then return 0 end
if epoch ~= ARGV[4] then
  redis.call('SET', KEYS[1], ARGV[4])
  redis.call('DEL', KEYS[2])
end
redis.call('HSET', KEYS[3], '${epochField}', ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index = 9, #ARGV, 3 do
  redis.call('HSET', KEYS[3], ARGV[index], ARGV[index + 1])
  if ARGV[index + 2] == '1' then redis.call('ZADD', KEYS[4], now, ARGV[index])
  else redis.call('ZREM', KEYS[4], ARGV[index]) end
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[7], 'LIMIT', 0, 100)) do
  redis.call('HDEL', KEYS[3], key)
  redis.call('ZREM', KEYS[4], key)
end
redis.call('LPUSH', KEYS[2], ARGV[5])
redis.call('LTRIM', KEYS[2], 0, ARGV[6] - 1)
redis.call('PUBLISH', ARGV[8], ARGV[5])
return 1`;

/** What was read, with all that a commit has to compare. */
export interface ReadState extends SharedState {
  /** The mark of the entries; the same as the epoch unless something was lost. */
  readonly mark: string;
}

export interface CommitResult {
  readonly known: Known;
  readonly isCommitted: boolean;
}

export interface SharedOrders {
  /** "same" if nothing has changed since what the caller knows, unless `isFull` asks for all in any case. */
  read(known: Known, isFull: boolean): Promise<ReadState | "same">;
  /** Writes all entries, unless the store has changed since it was read. */
  commit(state: ReadState, writes: ReadonlyMap<string, Entry>): Promise<CommitResult>;
}

/** Names of commits and of lives of the data. */
const newName = () => randomBytes(8).toString("base64url");

export class StoredOrders implements SharedOrders {
  readonly #store: FleetStore;
  /** The full name of the channel, which scripts publish to. */
  readonly #channel: string;

  constructor(store: FleetStore, group: string) {
    this.#store = store;
    this.#channel = `ek:{${group}}:${changedChannel}`;
  }

  async read(known: Known, isFull: boolean): Promise<ReadState | "same"> {
    const args = [known.epoch, known.nonce, isFull ? "1" : "0", maxSharedOrders, maxSharedBytes, maxNonces];
    const [epoch, nonce, mark, continued, kind, found] = asArray(
      await this.#store.eval(readScript, keys.slice(0, 3), args),
    );
    if (kind === "same") return "same";
    if (kind !== "read" || typeof epoch !== "string" || typeof nonce !== "string" || typeof mark !== "string")
      throw new FleetStoreError(
        `it holds ${String(found)} orders, more than ${maxSharedOrders}, or more than ${maxSharedBytes} bytes of them`,
      );
    return { epoch, nonce, mark, isContinued: continued === 1, ...entriesIn(asArray(found)) };
  }

  async commit(state: ReadState, writes: ReadonlyMap<string, Entry>): Promise<CommitResult> {
    const { epoch, nonce, mark } = state;
    const isWhole = epoch !== "" && mark === epoch && nonce !== "";
    const known = { epoch: isWhole ? epoch : newName(), nonce: newName() };
    const texts = [...writes].map(([key, entry]) => [key, serializeEntry(entry)] as const);
    expectRoom(state, texts);
    const rows = texts.flatMap(([key, text]) => [
      key,
      text,
      writes.get(key)?.order.kind === "forgotten" ? "1" : "0",
    ]);
    const args = [epoch, nonce, mark, known.epoch, known.nonce, maxNonces, withdrawnMs, this.#channel];
    const reply = await this.#store.eval(commitScript, keys, [...args, ...rows]);
    return { known, isCommitted: reply === 1 };
  }
}

function entriesIn(all: readonly unknown[]): Pick<SharedState, "entries" | "damaged"> {
  const entries = new Map<string, Entry>();
  const damaged = new Set<string>();
  for (let index = 0; index < all.length; index += 2) {
    const [key, text] = [all[index], all[index + 1]];
    if (typeof key !== "string" || typeof text !== "string" || key === epochField) continue;
    const entry = parseEntry(key, text);
    if (entry) entries.set(key, entry);
    else damaged.add(key);
  }
  return { entries, damaged };
}

/** Nothing is written that others would refuse to read. */
function expectRoom({ entries }: SharedState, texts: readonly (readonly [string, string])[]): void {
  const all = new Map([...entries].map(([key, entry]) => [key, serializeEntry(entry)]));
  for (const [key, text] of texts) all.set(key, text);
  let bytes = 0;
  for (const [key, text] of all) bytes += Buffer.byteLength(key) + Buffer.byteLength(text);
  // The mark and what cannot be read take room too.
  if (all.size > maxSharedOrders || bytes > maxSharedBytes * 0.9)
    throw new FleetStoreError(`it is full: ${all.size} orders of ${bytes} bytes`);
}
