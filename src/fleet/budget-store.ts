/** The buckets of shared rate limits in the store of the fleet: each is one number, the time at which it is full. */

import type { BudgetAnswer, BudgetAsk, BudgetReply, Budgets } from "../filter/budget.ts";
import { asArray } from "../lib/json.ts";
import { type FleetStore, FleetStoreError } from "./store.ts";

/**
 * GCRA (ITU-T I.371) with the store's clock, for each key. ARGV, four for each: milliseconds for a token, milliseconds of an
 * empty bucket, tokens that were spent (negative: given back), tokens that are wanted. Returns two for each: tokens granted, and
 * microseconds until the bucket is full. What was spent may put the bucket into debt, but not without bounds: else a balancer
 * with a fault could close a key for good. A value that is no time is an empty key, as after a flush.
 */
const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local replies = {}
for index = 1, #KEYS do
  local at = index * 4
  local interval, capacity = tonumber(ARGV[at - 3]), tonumber(ARGV[at - 2])
  local spent, wanted = tonumber(ARGV[at - 1]), tonumber(ARGV[at])
  local latest = now + 2 * capacity + 10000
  local stored = redis.pcall('GET', KEYS[index])
  local full = type(stored) == 'string' and tonumber(stored) or now
  if not (full > now) then full = now end
  full = math.min(full, latest) + spent * interval
  full = math.max(now, math.min(full, latest))
  local left = math.floor((now + capacity - full) / interval + 0.000001)
  local granted = math.max(0, math.min(wanted, left))
  full = full + granted * interval
  if full > now then
    redis.call('SET', KEYS[index], string.format('%.3f', full), 'PX', math.ceil(full - now))
  elseif stored then
    redis.call('DEL', KEYS[index])
  end
  replies[index * 2 - 1] = granted
  replies[index * 2] = math.ceil((full - now) * 1000)
end
return replies`;

export class StoredBudgets implements Budgets {
  readonly #store: Pick<FleetStore, "eval">;
  readonly #livePeers: () => number;

  /** @param livePeers of the fleet, this balancer included */
  constructor(store: Pick<FleetStore, "eval">, livePeers: () => number) {
    this.#store = store;
    this.#livePeers = livePeers;
  }

  async exchange(asks: readonly BudgetAsk[]): Promise<BudgetReply> {
    const keys = asks.map(({ key }) => `rl:${key}`);
    const args = asks.flatMap(({ intervalMs, capacityMs, spent, wanted }) => [
      ...[intervalMs, capacityMs, spent, wanted],
    ]);
    const reply = asArray(await this.#store.eval(script, keys, args));
    const answers = asks.map((_, index): BudgetAnswer => {
      const [granted, fullInUs] = [reply[index * 2], reply[index * 2 + 1]];
      if (typeof granted !== "number" || typeof fullInUs !== "number")
        throw new FleetStoreError("it answers something else than was asked");
      return { granted, fullInMs: fullInUs / 1_000 };
    });
    return { answers, peers: this.#livePeers() };
  }
}
