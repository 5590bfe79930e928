/** Which clients send their requests too slowly to keep a place on an upstream that somebody else waits for. */

/** As long as nobody asks a client to hurry. */
const graceMs = 2_000;
/** About a kilobyte a second: less than any line in use brings, more than a crowd of attackers likes to send. */
const minBytesPerMs = 1;

/**
 * Alone it is no reason to end a request: a stream of rare events is as slow.
 * @param bytes that came so far  @param ms since its attempt began
 */
export function isSlowUpload(bytes: number, ms: number): boolean {
  return ms >= graceMs && bytes < ms * minBytesPerMs;
}
