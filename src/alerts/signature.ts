/** The signature of an alert: the receiver can tell who sent it, that it was not changed on the way, and that it is not an old one. */

import { createHmac } from "node:crypto";

/**
 * HMAC-SHA-256 over the time, a dot and the body, as 64 hexadecimal digits: "t=1795961554,v1=5c1e…".
 *
 * The time is a part of it, so that a receiver can refuse what was recorded and is sent again later.
 * @param at epoch milliseconds
 */
export function signatureOf(body: string, secret: string, at: number): string {
  const seconds = Math.floor(at / 1_000);
  const digest = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${digest}`;
}
