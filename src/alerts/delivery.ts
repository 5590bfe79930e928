/** One try to deliver an alert: a POST request with a deadline, to an address that was checked, whose response is bounded. */

import { lookup } from "node:dns/promises";
import { type ClientRequest, type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { isIP } from "node:net";

import type { Clock, Schedule } from "../lib/clock.ts";
import { visibleLine } from "../lib/one-line.ts";
import { unusualHostOf } from "../net/own-addresses.ts";
import type { AlertRequest } from "./formats.ts";

export interface DeliveryTarget {
  readonly url: string;
  readonly ca: string | undefined;
  /** Whether it may be a link-local address, where clouds serve the machine's credentials. */
  readonly allowLinkLocal: boolean;
}

export interface DeliveryResult {
  /**
   * - `sent`: the receiver has it.
   * - `refused`: it never will take this one: it must not be tried again.
   * - `failed`: to be tried again.
   */
  readonly kind: "sent" | "refused" | "failed";
  /** One word for programs: "status_503", "timeout", "connect_refused" … */
  readonly reason: string;
  /** "status 503", "no answer within 10 s", "the connection was refused" */
  readonly answer: string;
  /** Null without a response. */
  readonly status: number | null;
  readonly tookMs: number;
  /** Beginning of the response's body, on one line. */
  readonly text: string;
  /** What the receiver asked for with Retry-After. */
  readonly retryAfterMs: number;
}

/** The addresses of a name, in the order in which they are tried. */
type Resolve = (name: string) => Promise<readonly string[]>;

const systemResolve: Resolve = async (name) =>
  (await lookup(name, { all: true })).map(({ address }) => address);

export interface DeliveryOptions {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly wallClock: () => number;
  readonly signal: AbortSignal;
  readonly resolve?: Resolve;
}

/** From the question for the address to the head of the response. */
export const tryMs = 10_000;

/** The rest of a body says nothing that a status does not. */
const maxResponseBytes = 16_384;
const maxShownText = 300;

/** The request itself is wrong; another try would be too. Others, such as 401 and 404, can be mended at the receiver. */
const finalStatuses: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** Never rejects. */
export async function deliver(
  target: DeliveryTarget,
  request: AlertRequest,
  { clock, schedule, wallClock, signal, resolve = systemResolve }: DeliveryOptions,
): Promise<DeliveryResult> {
  const startedAt = clock();
  const { promise: given, resolve: giveUp } = Promise.withResolvers<Failure>();
  const cancel = schedule(tryMs, () =>
    giveUp({ reason: "timeout", answer: `no answer within ${tryMs / 1_000} s` }),
  );
  const onAbort = () => giveUp({ reason: "stopped", answer: "stopped" });
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  const open: { request?: ClientRequest } = {};
  try {
    const result = await attempt(target, request, { open, resolve, given });
    const tookMs = Math.round(clock() - startedAt);
    const nothing = { status: null, text: "", retryAfterMs: 0 };
    return "status" in result
      ? { ...outcomeOf(result, wallClock()), tookMs }
      : { kind: "failed", ...result, ...nothing, tookMs };
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
    open.request?.destroy();
  }
}

interface Failure {
  readonly reason: string;
  readonly answer: string;
}

interface ReceivedResponse {
  readonly status: number;
  readonly retryAfter: string;
  readonly text: string;
}

interface Attempt {
  /** Gets the request, for the caller to end it. */
  readonly open: { request?: ClientRequest };
  readonly resolve: Resolve;
  /** Why there is no more time. */
  readonly given: Promise<Failure>;
}

async function attempt(
  target: DeliveryTarget,
  request: AlertRequest,
  { open, resolve, given }: Attempt,
): Promise<ReceivedResponse | Failure> {
  const head = async () => {
    const addresses = await addressesOf(target, resolve);
    return "reason" in addresses ? addresses : await firstResponse(target, addresses, request, open);
  };
  try {
    const response = await Promise.race([given, head()]);
    if ("reason" in response) return response;
    // With its head the receiver has taken the alert, or not: a body that never ends must not send it again.
    const text = await beginningOf(response, given);
    return { status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] ?? "", text };
  } catch (error) {
    return failureOf(error);
  }
}

/** The name is resolved here, once, so that the addresses that are checked are the ones that are used. */
async function addressesOf(
  { url, allowLinkLocal }: DeliveryTarget,
  resolve: Resolve,
): Promise<readonly string[] | Failure> {
  const hostname = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  const found = isIP(hostname) === 0 ? await resolve(hostname) : [hostname];
  const usable = found.filter((address) => allowLinkLocal || unusualHostOf(address) !== "link-local");
  if (usable.length > 0) return usable;
  return found.length === 0
    ? { reason: "name_unknown", answer: "the name has no address" }
    : {
        reason: "link_local",
        answer: "its address is link-local, where clouds serve this machine's credentials",
      };
}

/** Of an address that cannot be reached the next is tried: a name may have one of IPv6 that this machine has no route to. */
async function firstResponse(
  target: DeliveryTarget,
  [address = "", ...others]: readonly string[],
  request: AlertRequest,
  open: { request?: ClientRequest },
): Promise<IncomingMessage> {
  try {
    return await responseTo(target, address, request, open);
  } catch (error) {
    const isUnreached = unreached.has(failureOf(error).reason);
    if (!isUnreached || others.length === 0) throw error;
    return await firstResponse(target, others, request, open);
  }
}

/** Reasons of connects that failed: nothing was sent. */
const unreached: ReadonlySet<string> = new Set(["connect_refused", "unreachable"]);

function responseTo(
  { url, ca }: DeliveryTarget,
  address: string,
  { body, headers }: AlertRequest,
  open: { request?: ClientRequest },
): Promise<IncomingMessage> {
  const { protocol, host, hostname, port, pathname, search } = new URL(url);
  const isSecure = protocol === "https:";
  const options = {
    method: "POST",
    host: address,
    port: port === "" ? (isSecure ? 443 : 80) : Number(port),
    path: pathname + search,
    headers: { ...headers, Host: host },
    // A connection of its own: a kept one may be dead without a sign.
    agent: false as const,
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const name = isIP(hostname.replace(/^\[(.*)\]$/, "$1")) === 0 ? { servername: hostname } : {};
  const sent = isSecure
    ? secureRequest({ ...options, ...name, ...(ca !== undefined && { ca }) })
    : plainRequest(options);
  open.request = sent;
  sent.on("error", reject);
  sent.on("response", resolve);
  sent.end(body);
  return promise;
}

/** Ends with the body, with its first bytes, with the time, or when the connection does: the head has said what counts. */
async function beginningOf(response: IncomingMessage, given: Promise<unknown>): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.on("data", (chunk: Buffer) => {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes >= maxResponseBytes) resolve();
  });
  for (const end of ["end", "error", "close", "aborted"]) response.on(end, () => resolve());
  await Promise.race([promise, given]);
  return visibleLine(Buffer.concat(parts).toString()).slice(0, maxShownText);
}

function outcomeOf(
  { status, retryAfter, text }: ReceivedResponse,
  now: number,
): Omit<DeliveryResult, "tookMs"> {
  const common = { reason: `status_${status}`, status, text, retryAfterMs: retryAfterMsOf(retryAfter, now) };
  if (status >= 200 && status < 300) return { kind: "sent", answer: `status ${status}`, ...common };
  // A redirect would send the alert, and its signature, to where no operator has sent it.
  if (status >= 300 && status < 400)
    return { kind: "failed", answer: `status ${status}, and redirects are not followed`, ...common };
  return { kind: finalStatuses.has(status) ? "refused" : "failed", answer: `status ${status}`, ...common };
}

/** Seconds, or a date (RFC 9110 section 10.2.3); 0 for anything else. */
function retryAfterMsOf(text: string, now: number): number {
  if (/^\d{1,7}$/.test(text)) return Number(text) * 1_000;
  const at = text.endsWith("GMT") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}

const failures: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: { reason: "connect_refused", answer: "the connection was refused" },
  ECONNRESET: { reason: "connection_reset", answer: "the connection broke off" },
  ENOTFOUND: { reason: "name_unknown", answer: "the name has no address" },
  EAI_AGAIN: { reason: "name_unknown", answer: "the name could not be resolved" },
  EHOSTUNREACH: { reason: "unreachable", answer: "there is no route to the address" },
  ENETUNREACH: { reason: "unreachable", answer: "there is no route to the address" },
  ETIMEDOUT: { reason: "timeout", answer: "the connection timed out" },
  ERR_TLS_CERT_ALTNAME_INVALID: { reason: "tls", answer: "the certificate is for another name" },
  CERT_HAS_EXPIRED: { reason: "tls", answer: "the certificate has expired" },
};

/** Errors of a certificate that no known authority has signed. */
const untrusted = /UNABLE_TO|SELF_SIGNED|CERT_SIGNATURE|UNTRUSTED|unable to|self.signed/i;

/** Never the message of an unknown error: it may have the URL in it. */
function failureOf(error: unknown): Failure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : "";
  if (Object.hasOwn(failures, code)) return failures[code] ?? { reason: code, answer: code };
  if (untrusted.test(code) || untrusted.test(message))
    return { reason: "tls", answer: "the certificate is not signed by a trusted authority" };
  return { reason: "connection_failed", answer: `the connection failed${code === "" ? "" : ` (${code})`}` };
}
