/** argon2id in JavaScript, for a runtime without a native one. It runs in slices, so that it does not block the event loop; bcrypt in a thread. */

import { randomBytes, timingSafeEqual } from "node:crypto";
import { argon2idAsync } from "@noble/hashes/argon2.js";
import {
  defaultCost,
  formatPasswordHash,
  type PasswordCost,
  passwordHashOf,
} from "../access/password-hash.ts";
import { isBcrypt } from "../access/user-hash.ts";
import { verifyBcrypt } from "./bcrypt.ts";
import type { Passwords } from "./runtime.ts";

/** The lengths that Bun uses. */
const saltBytes = 32;
const digestBytes = 32;

/** Milliseconds of computation before it yields to the event loop. */
const sliceMs = 5;

async function digest(
  password: string,
  salt: Buffer,
  cost: PasswordCost & { bytes: number },
): Promise<Buffer> {
  const { memoryKib: m, passes: t, lanes: p, bytes: dkLen } = cost;
  const computed = await argon2idAsync(new TextEncoder().encode(password), salt, {
    m,
    t,
    p,
    dkLen,
    asyncTick: sliceMs,
  });
  return Buffer.from(computed);
}

export const passwords: Passwords = {
  async hash(password) {
    const salt = randomBytes(saltBytes);
    const computed = await digest(password, salt, { ...defaultCost, bytes: digestBytes });
    return formatPasswordHash({ ...defaultCost, salt, digest: computed });
  },
  async verify(password, hash) {
    if (isBcrypt(hash)) return verifyBcrypt(password, hash);
    const expected = passwordHashOf(hash);
    if (!expected) throw new Error("Cannot verify a password: the hash is not an argon2id hash");
    const computed = await digest(password, expected.salt, { ...expected, bytes: expected.digest.length });
    return timingSafeEqual(computed, expected.digest);
  },
};
