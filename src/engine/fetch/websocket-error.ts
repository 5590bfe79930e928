/** What the runtimes say of a handshake that failed, as the code that tells its phase: apart, since it is all words of theirs. */

export function handshakeErrorOf(event: Event): Error {
  if ("error" in event && isSystemError(event.error)) return event.error;
  const message = "message" in event ? String(event.message) : "";
  const refused = /connect|refused/i.test(message);
  const code = /certificate/i.test(message)
    ? { code: "CERT_NOT_ACCEPTED" }
    : refused
      ? { code: "ECONNREFUSED" }
      : {};
  return Object.assign(new Error(message || "the handshake failed"), code);
}

/** Not the exceptions of the web, whose codes are numbers that say nothing. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
