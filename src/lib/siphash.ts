/** SipHash-2-4 (Aumasson and Bernstein 2012): 64-bit digests of strings under a secret key, so that clients cannot choose colliding ones. */

import { randomBytes } from "node:crypto";

const keyBytes = 16;

/** Characters of two bytes in a block of eight bytes. */
const blockChars = 4;

const roundsOfBlock = 2;
const roundsAtEnd = 4;

/** The key of one process or one table. `hash` leaves its result in `low` and `high`: it allocates nothing. */
export class SipHash {
  /** The state v0 to v3 of the algorithm, each as a low and a high word. */
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

  /** Digests the UTF-16 code units, two bytes each. The state is in variables: an array takes twice the time. */
  hash(text: string): void {
    const start = this.#start;
    let [v0, v1, v2, v3] = [start[0] as number, start[2] as number, start[4] as number, start[6] as number];
    let [h0, h1, h2, h3] = [start[1] as number, start[3] as number, start[5] as number, start[7] as number];
    const { length } = text;
    /** Of the last block, which also has the length. */
    const lastAt = length - (length % blockChars);
    for (let at = 0; at <= lastAt + blockChars; at += blockChars) {
      let low = 0;
      let high = 0;
      let rounds = roundsOfBlock;
      if (at < lastAt) {
        low = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
        high = text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 16);
      } else if (at === lastAt) {
        high = (length * 2) << 24;
        if (at < length) low = text.charCodeAt(at);
        if (at + 1 < length) low |= text.charCodeAt(at + 1) << 16;
        if (at + 2 < length) high |= text.charCodeAt(at + 2);
      } else {
        v2 ^= 0xff;
        rounds = roundsAtEnd;
      }
      v3 ^= low;
      h3 ^= high;
      for (; rounds > 0; rounds--) {
        let before = v0;
        v0 = (v0 + v1) | 0;
        h0 = (h0 + h1 + carryOf(before, v1, v0)) | 0;
        let word = v1;
        v1 = ((v1 << 13) | (h1 >>> 19)) ^ v0;
        h1 = ((h1 << 13) | (word >>> 19)) ^ h0;
        word = v0;
        v0 = h0;
        h0 = word;

        before = v2;
        v2 = (v2 + v3) | 0;
        h2 = (h2 + h3 + carryOf(before, v3, v2)) | 0;
        word = v3;
        v3 = ((v3 << 16) | (h3 >>> 16)) ^ v2;
        h3 = ((h3 << 16) | (word >>> 16)) ^ h2;

        before = v0;
        v0 = (v0 + v3) | 0;
        h0 = (h0 + h3 + carryOf(before, v3, v0)) | 0;
        word = v3;
        v3 = ((v3 << 21) | (h3 >>> 11)) ^ v0;
        h3 = ((h3 << 21) | (word >>> 11)) ^ h0;

        before = v2;
        v2 = (v2 + v1) | 0;
        h2 = (h2 + h1 + carryOf(before, v1, v2)) | 0;
        word = v1;
        v1 = ((v1 << 17) | (h1 >>> 15)) ^ v2;
        h1 = ((h1 << 17) | (word >>> 15)) ^ h2;
        word = v2;
        v2 = h2;
        h2 = word;
      }
      v0 ^= low;
      h0 ^= high;
    }
    this.low = v0 ^ v1 ^ v2 ^ v3;
    this.high = h0 ^ h1 ^ h2 ^ h3;
  }
}

/** Of an addition of unsigned words. Comparing them as such would need more than 32 bits. */
function carryOf(one: number, other: number, sum: number): number {
  return ((one & other) | ((one | other) & ~sum)) >>> 31;
}
