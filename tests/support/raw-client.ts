/** A client on a raw socket: sends arbitrary bytes and parses responses strictly. */

import { connect, type Socket } from "node:net";

import { until } from "./wait.ts";

export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  /** Headers in the order and spelling received. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  header(name: string): string | undefined;
  /** The body with its framing removed. */
  readonly body: Buffer;
}

export class RawClient {
  readonly socket: Socket;
  #received: Buffer[] = [];
  isEnded = false;
  isReset = false;
  isClosed = false;

  private constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (chunk: Buffer) => void this.#received.push(chunk));
    this.socket.on("end", () => (this.isEnded = true));
    this.socket.on("error", () => (this.isReset = true));
    this.socket.on("close", () => (this.isClosed = true));
  }

  /** The bytes received and not yet consumed by {@link readResponse}. */
  get received(): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0] ?? Buffer.alloc(0);
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(port);
    await new Promise<void>((resolve, reject) => {
      client.socket.once("connect", resolve);
      client.socket.once("error", reject);
    });
    return client;
  }

  send(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Reads the next complete response. @param method of its request: a response to HEAD has no body */
  async readResponse(method = "GET", limitMs = 15_000): Promise<RawResponse> {
    let parsed: { response: RawResponse; taken: number } | undefined;
    await until(
      () => (parsed = parseResponse(this.received, method, this.isEnded)) ?? this.isClosed,
      "a response",
      limitMs,
    );
    if (!parsed)
      throw new Error(
        `Cannot read a response: closed after ${JSON.stringify(this.received.toString("latin1"))}`,
      );
    this.#received = [this.received.subarray(parsed.taken)];
    return parsed.response;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Sends one request on a new connection and reads the response. */
export async function sendRequest(
  port: number,
  request: string | Buffer,
  method = "GET",
): Promise<RawResponse> {
  const client = await RawClient.connect(port);
  try {
    return await client.send(request).readResponse(method);
  } finally {
    client.destroy();
  }
}

export function parseResponse(
  bytes: Buffer,
  method: string,
  ended: boolean,
): { response: RawResponse; taken: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [start = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(start.split(" ")[1]);
  const reason = start.split(" ").slice(2).join(" ");
  const headers = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf(":")),
    line.slice(line.indexOf(":") + 1).trim(),
  ]);
  const header = (name: string) => headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  const body = bodyOf(bytes.subarray(headEnd + 4), { status, method, header, ended });
  if (!body) return undefined;
  return { response: { status, reason, headers, header, body: body.bytes }, taken: headEnd + 4 + body.taken };
}

interface Framing {
  status: number;
  method: string;
  header: (name: string) => string | undefined;
  ended: boolean;
}

function bodyOf(
  rest: Buffer,
  { status, method, header, ended }: Framing,
): { bytes: Buffer; taken: number } | undefined {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304)
    return { bytes: Buffer.alloc(0), taken: 0 };
  if (header("transfer-encoding")) return chunksOf(rest);
  const length = header("content-length");
  if (length === undefined) return ended ? { bytes: rest, taken: rest.length } : undefined;
  return rest.length >= Number(length)
    ? { bytes: rest.subarray(0, Number(length)), taken: Number(length) }
    : undefined;
}

function chunksOf(rest: Buffer): { bytes: Buffer; taken: number } | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.toString("latin1", at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) {
      if (rest.toString("latin1", at, at + 2) === "\r\n")
        return { bytes: Buffer.concat(parts), taken: at + 2 };
      const end = rest.indexOf("\r\n\r\n", at);
      return end < 0 ? undefined : { bytes: Buffer.concat(parts), taken: end + 4 };
    }
    if (rest.length < at + size + 2) return undefined;
    parts.push(rest.subarray(at, at + size));
    at += size + 2;
  }
}
