/** The sessions of a fleet in its store: only digests of bearers, and who has ended one. */

import type { SharedSession } from "../access/sessions.ts";
import { areStrings, asArray, asRecord, parseJson } from "../lib/json.ts";
import type { Seal } from "./seal.ts";
import type { FleetStore } from "./store.ts";

export interface OpenSession extends SharedSession {
  /** Until it ends without another use. */
  readonly leftMs: number;
}

export interface SharedEnd {
  readonly digest: string;
  /** For how long nothing may bring it back. */
  readonly leftMs: number;
}

export interface SharedSessions {
  /** Name of the data in the store: another one means that it has lost what was in it. */
  readonly mark: string;
  /** Digests of open sessions that another balancer has ended. */
  readonly ended: readonly string[];
}

/**
 * KEYS: the mark, the ended sessions, the open ones. ARGV: a new mark, milliseconds to keep it, how many have ended, milliseconds
 * for each of them, then for each open one its age, the milliseconds that it has left, and its content. A session is never opened
 * again that has ended; of two uses the later one counts. Times are those of the store. Returns the mark, and the places of open
 * ones that have ended.
 */
const shareScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mark = redis.pcall('GET', KEYS[1])
if type(mark) ~= 'string' then
  mark = ARGV[1]
  redis.call('SET', KEYS[1], mark)
end
local count = tonumber(ARGV[3])
for index = 1, count do redis.call('SET', KEYS[1 + index], 'ended', 'PX', ARGV[3 + index]) end
local found = {mark}
for index = 1, #KEYS - 1 - count do
  local key, at = KEYS[1 + count + index], 3 + count + (index - 1) * 3
  local known = redis.pcall('GET', key)
  if known == 'ended' then
    table.insert(found, index - 1)
  else
    local opened, left = now - ARGV[at + 1], tonumber(ARGV[at + 2])
    if type(known) ~= 'string' or redis.call('PTTL', key) < left then
      redis.call('SET', key, string.format('%.0f', opened) .. ' ' .. ARGV[at + 3], 'PX', left)
    end
  end
end
return found`;

/** Returns the content, the milliseconds that it has left, and the time. */
const findScript = `
local time = redis.call('TIME')
local known = redis.pcall('GET', KEYS[1])
if type(known) ~= 'string' then return {'', 0, 0} end
return {known, redis.call('PTTL', KEYS[1]), time[1] * 1000 + math.floor(time[2] / 1000)}`;

const markKey = "sessions-mark";
const keyOf = (digest: string) => `session:${digest}`;

const maxNameLength = 64;
const markPattern = /^[\da-f]{64}$/;

export class SessionStore {
  readonly #store: Pick<FleetStore, "eval">;
  readonly #seal: Seal;

  constructor(store: Pick<FleetStore, "eval">, seal: Seal) {
    this.#store = store;
    this.#seal = seal;
  }

  /** @param newMark for a store that has none */
  async share(
    newMark: string,
    ended: readonly SharedEnd[],
    open: readonly OpenSession[],
  ): Promise<SharedSessions> {
    const keys = [
      markKey,
      ...ended.map(({ digest }) => keyOf(digest)),
      ...open.map(({ digest }) => keyOf(digest)),
    ];
    const whole = (ms: number) => Math.max(1, Math.round(ms));
    const args = [
      ...[newMark, 0, ended.length],
      ...ended.map(({ leftMs }) => whole(leftMs)),
      ...open.flatMap((session) => [
        Math.max(0, Math.round(session.ageMs)),
        whole(session.leftMs),
        this.#contentOf(session),
      ]),
    ];
    const [mark, ...places] = asArray(await this.#store.eval(shareScript, keys, args));
    return { mark: String(mark), ended: places.flatMap((place) => open[Number(place)]?.digest ?? []) };
  }

  /** Undefined for one that has ended, that was never there, or that is no session of this fleet. */
  async find(digest: string, idleLimitMs: number): Promise<SharedSession | undefined> {
    const [known, leftMs, now] = asArray(await this.#store.eval(findScript, [keyOf(digest)], []));
    if (typeof known !== "string" || typeof leftMs !== "number" || typeof now !== "number") return undefined;
    const [opened = "", content = ""] = known.split(" ");
    const text = this.#seal.open(keyOf(digest), content);
    if (text === undefined || !/^\d{1,16}$/.test(opened)) return undefined;
    const { name, mark } = asRecord(parseJson(text));
    if (!areStrings([name, mark])) return undefined;
    const [ofUser, passwordMark] = [String(name), String(mark)];
    if (ofUser.length > maxNameLength || !markPattern.test(passwordMark)) return undefined;
    const idleMs = Math.max(0, idleLimitMs - leftMs);
    return { digest, name: ofUser, passwordMark, ageMs: Math.max(0, now - Number(opened)), idleMs };
  }

  /** Without spaces: base64url where it is sealed, else JSON with escapes. */
  #contentOf({ digest, name, passwordMark }: SharedSession): string {
    const text = JSON.stringify({ name, mark: passwordMark }).replaceAll(" ", "\\u0020");
    return this.#seal.close(keyOf(digest), text);
  }
}
