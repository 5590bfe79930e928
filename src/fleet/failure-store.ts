/** Failed logins of a fleet in its store, so that guessing at several balancers pauses as soon as at one. */

import { type FailureCount, failureForgetMs } from "../access/login-limiter.ts";
import type { Seal } from "./seal.ts";
import type { FleetStore } from "./store.ts";

/**
 * The rules of the limiter of one process, with the store's clock. ARGV: milliseconds until failures are forgotten, then for each
 * key free failures, first and longest pause. Returns milliseconds to wait; 0 if the attempt was counted.
 */
const countScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local forget = tonumber(ARGV[1])
local counts, wait = {}, 0
for index, key in ipairs(KEYS) do
  local known = redis.pcall('GET', key)
  local count, last, paused = 0, 0, 0
  if type(known) == 'string' then
    local a, b, c = string.match(known, '^([%d.]+) (%d+) (%d+)$')
    if a then count, last, paused = tonumber(a), tonumber(b), tonumber(c) end
  end
  wait = math.max(wait, math.min(paused - now, tonumber(ARGV[index * 3 + 1])))
  local since = math.max(0, now - last)
  if since >= forget then count = 0 else count = math.max(0, count - since / forget * ARGV[index * 3 - 1]) end
  counts[index] = count
end
if wait > 0 then return math.ceil(wait) end
for index, key in ipairs(KEYS) do
  local count = counts[index] + 1
  local beyond = math.ceil(count) - ARGV[index * 3 - 1]
  local pause = 0
  if beyond >= 0 then pause = math.min(ARGV[index * 3] * 2 ^ math.min(beyond, 40), tonumber(ARGV[index * 3 + 1])) end
  redis.call('SET', key, string.format('%.4f %.0f %.0f', count, now, now + pause), 'PX', forget)
end
return 0`;

/** ARGV: for each key 1 if only one person can fail there: all is forgotten then, else this one failure. */
const forgetScript = `
for index, key in ipairs(KEYS) do
  local known = redis.pcall('GET', key)
  local count, last
  if type(known) == 'string' then count, last = string.match(known, '^([%d.]+) (%d+) %d+$') end
  if ARGV[index] == '1' or not count or tonumber(count) <= 1 then redis.call('DEL', key)
  else
    local left = math.max(1, redis.call('PTTL', key))
    redis.call('SET', key, string.format('%.4f %s 0', tonumber(count) - 1, last), 'PX', left)
  end
end
return 0`;

export class FailureStore {
  readonly #store: Pick<FleetStore, "eval">;
  readonly #seal: Seal;

  constructor(store: Pick<FleetStore, "eval">, seal: Seal) {
    this.#store = store;
    this.#seal = seal;
  }

  /** @returns 0, or the milliseconds to wait; then nothing is counted */
  async count(counts: readonly FailureCount[]): Promise<number> {
    const rules = counts.flatMap(({ rule: { free, firstMs, maxMs } }) => [free, firstMs, maxMs]);
    const reply = await this.#store.eval(countScript, this.#keysOf(counts), [failureForgetMs, ...rules]);
    return typeof reply === "number" ? reply : 0;
  }

  async forget(counts: readonly FailureCount[]): Promise<void> {
    await this.#store.eval(
      forgetScript,
      this.#keysOf(counts),
      counts.map(({ isOwn }) => (isOwn ? 1 : 0)),
    );
  }

  #keysOf(counts: readonly FailureCount[]): readonly string[] {
    return counts.map(({ kind, key }) => `login:${kind}:${this.#seal.digest(`${kind} ${key}`)}`);
  }
}
