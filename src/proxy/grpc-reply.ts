/** Own responses to gRPC clients, which read neither status nor body of HTTP but `grpc-status` and `grpc-message`. */

/** Codes of gRPC by the HTTP status of a refusal, as the specification maps responses without a code, and closer where we know more. */
const codes: Readonly<Record<number, number | undefined>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  413: 8,
  414: 13,
  421: 14,
  429: 8,
  431: 8,
  500: 13,
  501: 12,
  502: 14,
  503: 14,
  504: 4,
  508: 13,
};

const unknown = 2;
const unavailable = 14;

/** Not gRPC-Web, whose clients speak HTTP/1.1. */
export function isGrpc(contentType: string | undefined): boolean {
  return /^application\/grpc(?:[+;]|$)/i.test(contentType ?? "");
}

/** Fields of a response without a body ("Trailers-Only"). Its HTTP status is 200. */
export function grpcFields(
  { reason, status }: { readonly reason: string; readonly status: number },
  message: string,
): ReadonlyArray<readonly [name: string, value: string]> {
  // Nothing was sent: the client may send it again.
  const code = reason === "connect_timeout" ? unavailable : (codes[status] ?? unknown);
  return [
    ["Content-Type", "application/grpc"],
    ["Grpc-Status", String(code)],
    ["Grpc-Message", percentEncoded(message)],
  ];
}

/** Printable ASCII without the percent sign stands as it is, all else as bytes of UTF-8. */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]+/g, (part) =>
    Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
