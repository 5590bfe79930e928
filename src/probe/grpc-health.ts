/** The standard health service of gRPC, grpc.health.v1.Health: encodes a Check and reads its response. */

import type { Http2Response, Http2Request } from "../runtime/runtime.ts";

const healthPath = "/grpc.health.v1.Health/Check";

/** Field 1 of both messages: a string in the request, an enumeration in the response. */
const serviceKey = 0x0a;
const statusKey = 0x08;

/** HealthCheckResponse.ServingStatus */
const statusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const serving = 1;

/** Meanings of gRPC status codes of a failed call. */
const codeTexts: Readonly<Record<string, string | undefined>> = {
  5: "the server does not know the service",
  12: "the server has no health service",
  16: "the server wants credentials",
};

/** Bytes before a message: whether it is compressed, and its length. */
const prefixBytes = 5;

/** The request of a health check. @param server the rest of the request  @param service empty for the whole server */
export function healthCheck(
  server: Omit<Http2Request, "url" | "body">,
  origin: string,
  service: string,
): Http2Request {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.of(serviceKey), varint(name.length), name]);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return {
    ...server,
    url: origin + healthPath,
    headers: { ...server.headers, "content-type": "application/grpc", te: "trailers" },
    body: Buffer.concat([prefix, message]),
  };
}

/** Whether the response says that the service serves. */
export function healthIn({ status, fields, body }: Http2Response): {
  readonly success: boolean;
  readonly detail: string;
} {
  if (status !== 200) return { success: false, detail: `status ${status}` };
  const code = fields.get("grpc-status");
  if (code !== "0") {
    const meaning = code === undefined ? "the response is not gRPC" : codeTexts[code];
    const said = code === undefined ? "" : `grpc-status ${code}`;
    return { success: false, detail: [said, meaning].filter(Boolean).join(": ") };
  }
  const health = statusIn(body);
  if (health === undefined) return { success: false, detail: "the response has no health" };
  return { success: health === serving, detail: statusNames[health] ?? `health ${health}` };
}

/** The enumeration in field 1, whose default is 0; undefined if the message is malformed. */
function statusIn(body: Buffer): number | undefined {
  if (body.length < prefixBytes || body[0] !== 0) return undefined;
  const message = body.subarray(prefixBytes);
  if (body.readUInt32BE(1) !== message.length) return undefined;
  if (message.length === 0) return 0;
  const [key, health] = message;
  return key === statusKey && message.length === 2 ? health : undefined;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.of(...bytes, rest);
}
