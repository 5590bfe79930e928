/** Rules of a listener that precede routes: challenges of a certificate authority, redirects to https, unknown hosts. */

import { type LocalReply, type Refusal, refusal } from "./refusal.ts";
import { forwardedScheme, type RequestHead } from "./request-head.ts";
import type { RouteMatch, RouteTable } from "./route.ts";

/** Applied to every request of a listener that has rules. */
export interface ListenerRules {
  /** @returns undefined, nearly always, for a request that goes on to its route */
  replyTo(
    head: RequestHead,
    match: RouteMatch | undefined,
    table: RouteTable,
  ): LocalReply | Refusal | undefined;
}

/** Where clients that do not use TLS are sent. */
export interface RedirectTarget {
  /** Read for each redirect: a port may be known only after its listener was opened. */
  readonly port: () => number;
  /** By default 308, and 301 for GET and HEAD: clients that do not know 308 send little else. */
  readonly status?: number;
}

export interface ListenerRulesOptions {
  /** The responses to the challenges of a certificate authority (RFC 8555 section 8.3). */
  readonly challenges?: { responseTo(token: string): string | undefined };
  readonly redirect?: RedirectTarget;
  /** For hosts that no route takes. `close`: the connection ends without a response. */
  readonly unknownHosts?: 421 | "close";
  /** Whether connections may be for other hosts than their requests (see `ConnectionTls`). */
  readonly checksConnection?: boolean;
  readonly isTrustedProxy: (address: string) => boolean;
}

const challengePath = "/.well-known/acme-challenge/";

/** @returns undefined if there is nothing to decide */
export function createListenerRules(options: ListenerRulesOptions): ListenerRules | undefined {
  const { challenges, redirect, unknownHosts, checksConnection } = options;
  const hasRules = challenges !== undefined || redirect !== undefined || unknownHosts !== undefined;
  if (!hasRules && !checksConnection) return undefined;
  return {
    replyTo(head, match, table) {
      if (head.tls?.isMisdirected(head.host)) return refusal("misdirected");
      if (!hasRules) return undefined;
      const response = challenges && challengeResponse(challenges, head);
      if (response !== undefined) return response;
      const isKnown = isKnownHost(head, match, table);
      if (!isKnown && unknownHosts === 421) return refusal("unknown_host");
      if (!isKnown && unknownHosts === "close") return { ...refusal("unknown_host"), isSilent: true };
      if (!redirect || match?.route?.isRedirected === false || isSecureAtProxy(head, options))
        return undefined;
      // Otherwise the sender of a link could choose where the redirect leads.
      return isKnown ? redirectOf(head, redirect) : refusal("no_route");
    },
  };
}

/** A request for another token continues to its route, so that an upstream can have challenges of its own. */
function challengeResponse(
  challenges: NonNullable<ListenerRulesOptions["challenges"]>,
  { method, target }: RequestHead,
): LocalReply | undefined {
  if (!target.startsWith(challengePath) || (method !== "GET" && method !== "HEAD")) return undefined;
  const body = challenges.responseTo(target.slice(challengePath.length));
  if (body === undefined) return undefined;
  const headers = [["Content-Type", "application/octet-stream"]] as const;
  return { ...refusal("challenge_answered"), reply: { headers, body } };
}

function isKnownHost({ host }: RequestHead, match: RouteMatch | undefined, table: RouteTable): boolean {
  return host !== "" && (match !== undefined || table.takesHost(host));
}

/** Behind a proxy that ends TLS, a redirect would come back here. */
function isSecureAtProxy(head: RequestHead, { isTrustedProxy }: ListenerRulesOptions): boolean {
  const proto = head.header("x-forwarded-proto");
  return proto !== undefined && isTrustedProxy(head.peerAddress) && forwardedScheme(proto) === "https";
}

function redirectOf({ method, host, target }: RequestHead, { port, status }: RedirectTarget): LocalReply {
  const usual = method === "GET" || method === "HEAD" ? 301 : 308;
  const number = port();
  const authority = host.replace(/:\d*$/, "") + (number === 443 ? "" : `:${number}`);
  const location = `https://${authority}${target === "*" ? "" : target}`;
  const chosen = status ?? usual;
  return {
    ...refusal("redirected", chosen),
    reply: {
      headers: [
        ["Location", location],
        ["Content-Type", "text/plain; charset=utf-8"],
      ],
      body: `${chosen} redirected: this address is served over https.\n`,
    },
  };
}
