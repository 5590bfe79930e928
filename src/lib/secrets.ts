/** Secrets as text: random generation, digests for storage, constant-time comparison. */

import { createHash, createHmac, hash, randomBytes, randomInt, timingSafeEqual } from "node:crypto";

/** 256 random bits as 43 characters that are valid in headers, cookies and URLs. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** 128 random bits as 22 characters that are valid in headers, cookies and URLs: what nothing else may be called. */
export function newId(): string {
  return randomBytes(16).toString("base64url");
}

/** An integer in [0, below) that cannot be guessed. */
export function secretIndex(below: number): number {
  return randomInt(below);
}

/** SHA-256 as 64 hexadecimal digits, for storing a secret. Only for secrets with too much entropy to guess. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** A second secret derived from the first by HMAC-SHA-256; it does not reveal the first. */
export function derivedSecret(secret: string, purpose: string): string {
  return createHmac("sha256", secret).update(purpose).digest("base64url");
}

/**
 * A digest under a secret key by which a text is looked up in this process, without the text being kept. In one call, because it
 * is computed for each request. It must not be told to anyone: what a digest of a longer text is could be derived from it.
 */
export function lookUpDigest(secret: string, text: string): string {
  return hash("sha256", secret + text, "base64");
}

/** Compares digests, so that the timing reveals neither content nor length. */
export function isSameSecret(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
