/** Why a call to the store failed: a few words for operators from the errors of sockets, TLS and Redis. */

/** Connections that the library itself closes; the cause was another error before. */
const consequences =
  /Connection is closed|Stream isn't writeable|Command aborted|max retries|enableOfflineQueue|flushed from/i;

/** In the order in which they are looked for. The texts are Redis's own, and those of BoringSSL (Bun) and rustls (Deno). */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|invalid password|AUTH failed/i, "wrong user name or password (WRONGPASS)"],
  [/NOAUTH|unauthenticated/, "it asks for a password (NOAUTH)"],
  // Redis 7 says it of commands in a script in a sentence, without the word.
  [/NOPERM|user executing the script can't/, "the user may not do this (NOPERM)"],
  [/WRONGTYPE/, "another program uses a key of the fleet (WRONGTYPE)"],
  [/DB index is out of range|SELECT is not allowed/i, "it has no database with this number"],
  [/READONLY/, "the server is a replica (READONLY)"],
  [/LOADING/, "it still loads its data (LOADING)"],
  [/BUSY /, "a script blocks it (BUSY)"],
  [/MISCONF/, "it cannot save its data (MISCONF)"],
  [/OOM /, "its memory is full (OOM)"],
  [/MASTERDOWN|NOREPLICAS|CLUSTERDOWN/, "a server that it needs is away"],
  [/unknown command .?sentinel/i, "an address of sentinels is that of no Sentinel"],
  [/unknown command/i, "it is older than Redis 6, or a command is disabled"],
  [/ALTNAME|not valid for name|NotValidForName|Hostname\/IP/i, "its certificate is for another name"],
  [/EXPIRED/i, "its certificate has expired"],
  [
    /SELF_SIGNED|UNABLE_TO_|UnknownIssuer|unable to (verify|get)|self.signed|CERT_/i,
    "its certificate is not trusted",
  ],
  [/certificate required|HANDSHAKE_FAILURE|bad certificate/i, "it refuses the TLS handshake"],
  [/WRONG_VERSION_NUMBER|InvalidContentType|packet length/i, "it does not speak TLS"],
  [/ECONNREFUSED/, "connection refused"],
  [/ENOTFOUND|EAI_AGAIN|failed to lookup/i, "its host name has no address"],
  [/EHOSTUNREACH|ENETUNREACH/, "its network cannot be reached"],
  [/ETIMEDOUT|timed? ?out|timeout/i, "no answer"],
  [/ECONNRESET|EPIPE|closed|ended/i, "the connection was cut"],
];

/** Undefined for an error that only follows from an earlier one. */
export function describeStoreFailure(error: unknown): string | undefined {
  const { code, message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
  const text = `${code ?? ""} ${message}`.trim();
  const unreachable = /All sentinels are unreachable.*?(?:Last error: (.*))?$/is.exec(text);
  if (unreachable) return describeStoreFailure(unreachable[1] ?? "") || "no Sentinel answers for the server";
  if (consequences.test(text)) return undefined;
  const known = patterns.find(([pattern]) => pattern.test(text))?.[1];
  // Foreign text: one line, and no longer than a line.
  return known ?? text.replace(/\s+/g, " ").slice(0, 120);
}
