/** Why TLS handshakes with clients were refused: a few words for metrics and log. */

/** `closed`: the client left. `name`: no certificate covers it. `certificate`: the client showed none, or one that is not trusted. */
export type HandshakeRefusal =
  | "closed"
  | "timeout"
  | "plain_http"
  | "not_tls"
  | "version"
  | "cipher"
  | "protocol"
  | "name"
  | "certificate"
  | "other";

class HandshakeRefusals {
  readonly #counts: Partial<Record<HandshakeRefusal, number>> = {};

  /** Since the process started. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#counts };
  }

  add(refusal: HandshakeRefusal): void {
    this.#counts[refusal] = (this.#counts[refusal] ?? 0) + 1;
  }
}

/** Of this process. */
export const handshakeRefusals = new HandshakeRefusals();

/** The texts of BoringSSL (Bun), OpenSSL and rustls (Deno), in the order in which they are looked for. */
const patterns: readonly (readonly [RegExp, HandshakeRefusal])[] = [
  [/HTTP_REQUEST/i, "plain_http"],
  [/CONNECTION_REJECTED|CALLBACK_FAILED|UNRECOGNIZED.NAME|NO_CERTIFICATE_SET|SUITABLE_SIGNATURE/i, "name"],
  [/PEER_DID_NOT_RETURN|CERTIFICATE_VERIFY|CERT|UNKNOWN_CA/i, "certificate"],
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|VERSION_TOO_LOW/i, "version"],
  [/NO_SHARED_CIPHER|NO_SHARED_GROUP|HANDSHAKE_FAILURE/i, "cipher"],
  [/NO_APPLICATION_PROTOCOL/i, "protocol"],
  [/WRONG_VERSION_NUMBER|UNEXPECTED_MESSAGE|UNEXPECTED_RECORD|DECODE|BAD_|LENGTH|INVALID/i, "not_tls"],
  [/TIMEOUT|TIMED OUT/i, "timeout"],
  [/ECONNRESET|EPIPE|disconnected|reset|closed|EOF/i, "closed"],
];

/** @param text code and message of the runtime's error */
export function handshakeRefusalOf(text: string): HandshakeRefusal {
  return patterns.find(([pattern]) => pattern.test(text))?.[1] ?? "other";
}

const plainHttpText = "The plain HTTP request was sent to an HTTPS port.\n";

/** The response to plain HTTP on a TLS port, as bytes on the connection. */
export const plainHttpResponse =
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
  `Content-Length: ${plainHttpText.length}\r\nConnection: close\r\n\r\n${plainHttpText}`;
