/** SipHash-2-4 (Aumasson and Bernstein 2012): 64-bit digests of strings under a secret key, so that clients cannot choose colliding ones. */

import { randomBytes } from "node:crypto";

const keyBytes = 16;

/** The state v0 to v3 of the algorithm, each as a low and a high word. */
const state = new Int32Array(8);

/** `state[to] += state[from]`, as 64-bit numbers. */
function add(to: number, from: number): void {
  const before = state[to] as number;
  const low = (before + (state[from] as number)) | 0;
  const carry = low >>> 0 < before >>> 0 ? 1 : 0;
  state[to] = low;
  state[to + 1] = (state[to + 1] as number) + (state[from + 1] as number) + carry;
}

/** Rotates `state[at]` by `bits`, below 32, and combines it with `state[other]`. */
function rotateXor(at: number, bits: number, other: number): void {
  const [low, high] = [state[at] as number, state[at + 1] as number];
  state[at] = ((low << bits) | (high >>> (32 - bits))) ^ (state[other] as number);
  state[at + 1] = ((high << bits) | (low >>> (32 - bits))) ^ (state[other + 1] as number);
}

function swapHalves(at: number): void {
  const low = state[at] as number;
  state[at] = state[at + 1] as number;
  state[at + 1] = low;
}

const [v0, v1, v2, v3] = [0, 2, 4, 6] as const;

function round(): void {
  add(v0, v1);
  rotateXor(v1, 13, v0);
  swapHalves(v0);
  add(v2, v3);
  rotateXor(v3, 16, v2);
  add(v0, v3);
  rotateXor(v3, 21, v0);
  add(v2, v1);
  rotateXor(v1, 17, v2);
  swapHalves(v2);
}

function absorb(low: number, high: number): void {
  state[v3] = (state[v3] as number) ^ low;
  state[v3 + 1] = (state[v3 + 1] as number) ^ high;
  round();
  round();
  state[v0] = (state[v0] as number) ^ low;
  state[v0 + 1] = (state[v0 + 1] as number) ^ high;
}

/** The key of one process or one table. `hash` leaves its result in `low` and `high`: it allocates nothing. */
export class SipHash {
  readonly #start: Int32Array;
  low = 0;
  high = 0;

  /** @param key 16 bytes; by default random ones */
  constructor(key: Buffer = randomBytes(keyBytes)) {
    const [k0, k0High, k1, k1High] = [0, 4, 8, 12].map((offset) => key.readInt32LE(offset)) as [
      number,
      number,
      number,
      number,
    ];
    // "somepseudorandomlygeneratedbytes"
    this.#start = Int32Array.of(
      k0 ^ 0x70736575,
      k0High ^ 0x736f6d65,
      k1 ^ 0x6e646f6d,
      k1High ^ 0x646f7261,
      k0 ^ 0x6e657261,
      k0High ^ 0x6c796765,
      k1 ^ 0x79746573,
      k1High ^ 0x74656462,
    );
  }

  /** Digests the UTF-16 code units, two bytes each. */
  hash(text: string): void {
    const { length } = text;
    state.set(this.#start);
    let at = 0;
    for (; at + 4 <= length; at += 4) absorb(unitsAt(text, at), unitsAt(text, at + 2));
    let [low, high] = [0, (length * 2) << 24];
    if (at < length) low = text.charCodeAt(at);
    if (at + 1 < length) low |= text.charCodeAt(at + 1) << 16;
    if (at + 2 < length) high |= text.charCodeAt(at + 2);
    absorb(low, high);
    state[v2] = (state[v2] as number) ^ 0xff;
    for (let i = 0; i < 4; i++) round();
    this.low = (state[v0] as number) ^ (state[v1] as number) ^ (state[v2] as number) ^ (state[v3] as number);
    this.high =
      (state[v0 + 1] as number) ^
      (state[v1 + 1] as number) ^
      (state[v2 + 1] as number) ^
      (state[v3 + 1] as number);
  }
}

function unitsAt(text: string, at: number): number {
  return text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
}
