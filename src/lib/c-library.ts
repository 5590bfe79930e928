/** The C library, for the few calls that no runtime offers. */

/**
 * By what name Linux's loader knows it: glibc, musl. Other systems have none of these names; on macOS a call with variable
 * arguments, such as fcntl, would go wrong.
 */
const names = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/**
 * Loads it by the first name that works.
 * @param load throws for a library that is missing, or lacks a function
 * @returns null if there is none
 */
export function loadLibrary<Loaded>(load: (name: string) => Loaded): Loaded | null {
  for (const name of names) {
    try {
      return load(name);
    } catch {
      // Another library, or a system without it.
    }
  }
  return null;
}

/** send(2). */
export const sendFlags = {
  /** MSG_NOSIGNAL | MSG_DONTWAIT: a full queue must not block the event loop. */
  nonBlocking: 0x4040,
  /** MSG_MORE: more follows at once, and leaves in the same packet. */
  more: 0x8000,
};
