/** argon2id for a runtime that has none of its own: in JavaScript, in slices, so that others get their turn in between. */

import { randomBytes, timingSafeEqual } from "node:crypto";
import { argon2idAsync } from "@noble/hashes/argon2.js";
import {
  defaultCost,
  formatPasswordHash,
  type PasswordCost,
  passwordHashOf,
} from "../access/password-hash.ts";
import type { Passwords } from "./runtime.ts";

/** As long as Bun's own. */
const saltBytes = 32;
const digestBytes = 32;

/** Milliseconds that a slice may take from whoever else waits. */
const sliceMs = 5;

async function digest(
  password: string,
  salt: Buffer,
  cost: PasswordCost & { bytes: number },
): Promise<Buffer> {
  const { memoryKib: m, passes: t, lanes: p, bytes: dkLen } = cost;
  const made = await argon2idAsync(new TextEncoder().encode(password), salt, {
    m,
    t,
    p,
    dkLen,
    asyncTick: sliceMs,
  });
  return Buffer.from(made);
}

export const passwords: Passwords = {
  async hash(password) {
    const salt = randomBytes(saltBytes);
    const made = await digest(password, salt, { ...defaultCost, bytes: digestBytes });
    return formatPasswordHash({ ...defaultCost, salt, digest: made });
  },
  async verify(password, hash) {
    const known = passwordHashOf(hash);
    if (!known) throw new Error("Cannot verify a password: its hash is not one of argon2id");
    const made = await digest(password, known.salt, { ...known, bytes: known.digest.length });
    return timingSafeEqual(made, known.digest);
  },
};
