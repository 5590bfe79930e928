/** Requests to the API of an orchestrator, over a unix socket or TCP: a bounded JSON response, or a stream of JSON lines. */

import { type ClientRequest, type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";

import type { Cancel, Schedule } from "../lib/clock.ts";
import { asRecord, parseJson } from "../lib/json.ts";
import { JsonLines } from "./json-lines.ts";

/** A unix socket, or an http or https URL, whose path is put before the path of each request. */
export type ApiServer = { readonly socketPath: string } | { readonly url: string };

export interface ApiRequest {
  readonly server: ApiServer;
  readonly path: string;
  /** Sent as they are. They may have secrets, so no message quotes them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM text of the authorities that the server is verified with, instead of the system's. */
  readonly ca?: string | undefined;
  readonly schedule: Schedule;
  readonly signal: AbortSignal;
}

/** Why a request failed, as the end of the sentence "Cannot X: …". */
export class ApiFailure extends Error {
  /** Of the response; undefined if there was none, or it broke off. */
  readonly status: number | undefined;
  /** What the server asked for with Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, response: { readonly status?: number; readonly retryAfterMs?: number } = {}) {
    super(message);
    this.status = response.status;
    this.retryAfterMs = response.retryAfterMs;
  }
}

export interface JsonLimits {
  readonly maxBytes: number;
  /** From the start to the last byte. */
  readonly timeoutMs: number;
}

export interface JsonStreamOptions {
  readonly maxLineBytes: number;
  /** From the start to the head of the response. */
  readonly headMs: number;
  /** Without a byte for this long the stream is given up. */
  readonly silenceMs: number;
  /** Called when the server has accepted the request. */
  readonly onOpen: () => void;
  /** Called with the lines that came together, each a JSON value. */
  readonly onValues: (values: readonly unknown[]) => void;
}

/** Bodies of errors have one sentence. */
const maxErrorBytes = 65_536;

/** Finds out that a peer is gone although nothing is sent. */
const keepAliveMs = 15_000;

/** The JSON value and the header fields of a successful response. Rejects with an {@link ApiFailure}. */
export async function requestJson(
  request: ApiRequest,
  { maxBytes, timeoutMs }: JsonLimits,
): Promise<{ readonly value: unknown; readonly headers: IncomingMessage["headers"] }> {
  const open = new OpenRequest(request);
  try {
    open.failAfter(timeoutMs, `no answer within ${timeoutMs / 1_000} s`);
    const response = await open.response;
    await requireSuccess(open, response);
    const body = await open.body(response, maxBytes);
    const value = body.length === 0 ? undefined : parseJson(body.toString());
    if (value === undefined && body.length > 0) throw new ApiFailure("the answer is not JSON");
    return { value, headers: response.headers };
  } finally {
    open.close();
  }
}

/** Resolves when the server ends the stream. Rejects with an {@link ApiFailure}. */
export async function streamJson(request: ApiRequest, options: JsonStreamOptions): Promise<void> {
  const { headMs, silenceMs } = options;
  const open = new OpenRequest(request);
  try {
    open.failAfter(headMs, `no answer within ${headMs / 1_000} s`);
    const response = await open.response;
    await requireSuccess(open, response);
    const lines = new JsonLines(options.maxLineBytes);
    const heard = () => open.failAfter(silenceMs, `the stream was silent for ${silenceMs / 1_000} s`);
    heard();
    options.onOpen();
    await open.chunks(response, (chunk) => {
      heard();
      const values = lines.push(chunk);
      if (typeof values === "string") throw new ApiFailure(values);
      if (values.length > 0) options.onValues(values);
    });
  } finally {
    open.close();
  }
}

async function requireSuccess(open: OpenRequest, response: IncomingMessage): Promise<void> {
  const { statusCode: status = 0, headers } = response;
  if (status >= 200 && status < 300) return;
  // The status says enough if the body breaks off or is too long.
  const body = await open.body(response, maxErrorBytes).catch(() => undefined);
  const message = oneLine(asRecord(parseJson(body?.toString() ?? ""))["message"]);
  const seconds = /^\d{1,6}$/.exec(headers["retry-after"] ?? "")?.[0];
  throw new ApiFailure(message === "" ? `status ${status}` : `status ${status}, ${message}`, {
    status,
    ...(seconds !== undefined && { retryAfterMs: Number(seconds) * 1_000 }),
  });
}

/** Text of a server for a sentence: short, and without control characters. */
function oneLine(text: unknown): string {
  if (typeof text !== "string") return "";
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 300).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

/** A request under way. The first of an error, a timeout and an abort fails everything that waits for it. */
class OpenRequest {
  readonly response: Promise<IncomingMessage>;
  readonly #request: ClientRequest;
  readonly #options: ApiRequest;
  readonly #failed = Promise.withResolvers<never>();
  #deadline: Cancel | undefined;

  constructor(options: ApiRequest) {
    this.#options = options;
    const { signal } = options;
    // A failure may come when nothing waits for it.
    this.#failed.promise.catch(() => {});
    this.#request = sendRequest(options);
    this.#request.on("error", this.#onError);
    this.#request.on("socket", (socket) => socket.setKeepAlive(true, keepAliveMs));
    signal.addEventListener("abort", this.#onAbort);
    if (signal.aborted) this.#onAbort();
    const responding = new Promise<IncomingMessage>((resolve) => this.#request.once("response", resolve));
    this.response = Promise.race([responding, this.#failed.promise]);
    this.response.catch(() => {});
  }

  /** Replaces the earlier deadline. */
  failAfter(delayMs: number, why: string): void {
    this.#deadline?.();
    this.#deadline = this.#options.schedule(delayMs, () => this.#fail(new ApiFailure(why)));
  }

  /** The whole body of at most `maxBytes`. */
  async body(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let length = 0;
    await this.chunks(response, (chunk) => {
      length += chunk.length;
      if (length > maxBytes) throw new ApiFailure(`the answer has more than ${maxBytes / 1_048_576} MiB`);
      parts.push(chunk);
    });
    return Buffer.concat(parts);
  }

  /** Resolves at the end of the body. An error that `take` throws fails the request. */
  async chunks(response: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
    const ended = Promise.withResolvers<void>();
    response.on("data", (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        this.#fail(error);
      }
    });
    response.on("end", () => {
      // A body that breaks off ends too on some runtimes.
      if (response.complete) ended.resolve();
      else this.#fail(new ApiFailure("the connection broke off"));
    });
    response.on("error", this.#onError);
    response.on("close", () => this.#fail(new ApiFailure("the connection broke off")));
    await Promise.race([ended.promise, this.#failed.promise]);
  }

  close(): void {
    this.#deadline?.();
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    this.#request.destroy();
  }

  readonly #onAbort = (): void => this.#fail(new ApiFailure("stopped"));

  readonly #onError = (error: Error): void =>
    this.#fail(new ApiFailure(describe(error, this.#options.server)));

  #fail(error: unknown): void {
    this.#failed.reject(error);
    this.#request.destroy();
  }
}

function sendRequest({ server, path, headers, ca }: ApiRequest): ClientRequest {
  // A connection of its own: a kept one may be dead without a sign.
  const options = { path, headers: { Accept: "application/json", ...headers }, agent: false as const };
  const request =
    "socketPath" in server
      ? plainRequest({
          ...options,
          socketPath: server.socketPath,
          headers: { Host: "localhost", ...options.headers },
        })
      : sendOverTcp(new URL(server.url), { ...options, ...(ca !== undefined && { ca }) });
  request.end();
  return request;
}

function sendOverTcp(
  { protocol, hostname, port, pathname }: URL,
  options: { readonly path: string; readonly headers: Record<string, string>; readonly agent: false },
): ClientRequest {
  const isSecure = protocol === "https:";
  const target = {
    ...options,
    path: `${pathname.replace(/\/$/, "")}${options.path}`,
    // An IPv6 address in brackets is no host for a socket.
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (isSecure ? 443 : 80) : Number(port),
  };
  return isSecure ? secureRequest(target) : plainRequest(target);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  EACCES: "no permission to open the socket",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection broke off",
  ENOTFOUND: "the name has no address",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is not signed by the configured authority",
  CERT_SIGNATURE_FAILURE: "the certificate is not signed by the configured authority",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate is not signed by the configured authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is not signed by the configured authority",
  CERT_HAS_EXPIRED: "the certificate has expired",
};

function describe(error: Error, server: ApiServer): string {
  const code = "code" in error ? String(error.code) : "";
  const reason = Object.hasOwn(reasons, code) ? reasons[code] : oneLine(error.message) || code;
  return `${"socketPath" in server ? server.socketPath : new URL(server.url).host}: ${reason}`;
}
