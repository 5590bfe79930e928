/** A client's request head as routes and hash keys read it, and the rules that it must keep where the listener has none. */

import type { MessageLimits } from "../engine.ts";
import { plainAddress } from "../../net/address.ts";
import { clientAddressBehind } from "../../proxy/client-address.ts";
import {
  duplicateHost,
  headTooLarge,
  hostInvalid,
  lengthInvalid,
  methodNotServed,
  type ProtocolViolation,
  type Refusal,
  refusalForViolation,
  targetHostDiffers,
  targetTooLong,
  tooManyFields,
} from "../../proxy/refusal.ts";
import type { RequestHead } from "../../proxy/request-head.ts";
import type { FetchEngineContext, RequestFields } from "./request-context.ts";

type HeadOptions = Pick<
  FetchEngineContext,
  "isTrustedProxy" | "listener" | "limits" | "showsTargetAuthority"
>;

/** @param peer the peer's IP address as the listener reports it */
export function headOfRequest(request: Request, peer: string, options: HeadOptions): RequestHead {
  const { isTrustedProxy } = options;
  const { url } = request;
  const pathStart = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  const isSecure = options.listener.tls !== undefined;
  return {
    method: request.method,
    target: pathStart < 0 ? "/" : url.slice(pathStart),
    host: request.headers.get("host") ?? (isSecure ? authorityIn(url) : ""),
    peerAddress: plainAddress(peer),
    get isPeerTrusted() {
      return isTrustedProxy(this.peerAddress);
    },
    get clientAddress() {
      return isTrustedProxy(this.peerAddress) ? clientAddressBehind(this, isTrustedProxy) : this.peerAddress;
    },
    scheme: isSecure ? "https" : "http",
    listener: options.listener.name,
    header: (name) => request.headers.get(name) ?? undefined,
  };
}

/** Deno's listener speaks HTTP/2 over TLS, where the host is no header (RFC 9113 section 8.3.1). */
function authorityIn(url: string): string {
  return /^https?:\/\/([^/?#]*)/.exec(url)?.[1] ?? "";
}

const refusedMethods: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);

/** The refusal of an invalid head. */
export function refusalForHead(
  head: RequestHead,
  fields: RequestFields,
  request: Request,
  options: HeadOptions,
): Refusal | undefined {
  const violation = refusedMethods.has(head.method)
    ? methodNotServed
    : (sizeViolation(head, fields, options.limits) ??
      lengthViolation(request.headers) ??
      hostViolation(head, request, options));
  return violation && refusalForViolation(violation);
}

/** The listener has limits of its own, which may be lower. */
function sizeViolation(
  { method, target }: RequestHead,
  { count, bytes }: RequestFields,
  limits: MessageLimits,
): ProtocolViolation | undefined {
  if (target.length > limits.requestTargetBytes) return targetTooLong(limits.requestTargetBytes);
  if (count > limits.requestFields) return tooManyFields(limits.requestFields);
  const all = method.length + target.length + bytes;
  return all > limits.requestHeadBytes ? headTooLarge(limits.requestHeadBytes) : undefined;
}

/** Listeners take repeated equal lengths and join them with a comma. They read the body by the first one. */
function lengthViolation(headers: Headers): ProtocolViolation | undefined {
  const length = headers.get("content-length");
  return length === null || /^\d{1,15}$/.test(length) ? undefined : lengthInvalid;
}

/** A name or an IP literal with an optional port (RFC 3986 section 3.2). A browser's rules would rewrite some names. */
const authority =
  /^(?:[\w.~%!$&'()*+;=-]+|\[(?:[\da-f:.]+(?:%[\w.~%!$&'()*+;=:-]+)?|v[\da-f]+\.[\w.~%!$&'()*+;=:-]+)\])(?::\d{0,5})?$/i;

/**
 * Listeners with a fetch handler join repeated Host headers with a comma, which no host name contains; two hosts are a
 * request-smuggling tool (RFC 9112 section 3.2). A host that is none could also move the start of the path in the URL.
 */
function hostViolation(
  { host, scheme }: RequestHead,
  { headers, url }: Request,
  { showsTargetAuthority }: HeadOptions,
): ProtocolViolation | undefined {
  if (host.includes(",")) return duplicateHost;
  if (host !== "" && !authority.test(host)) return hostInvalid;
  if (!showsTargetAuthority || !headers.has("host")) return undefined;
  const target = comparable(authorityIn(url), url.startsWith("https:") ? "https" : "http");
  return target === comparable(host, scheme) ? undefined : targetHostDiffers;
}

/** Case does not matter, nor does a port that is empty or the scheme's default (RFC 9110 section 4.2.3). */
function comparable(given: string, scheme: RequestHead["scheme"]): string {
  const port = scheme === "https" ? "443" : "80";
  return given.toLowerCase().replace(new RegExp(`:(?:0*${port})?$`), "");
}
