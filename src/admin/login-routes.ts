/** Routes of sessions: login, logout, and who the caller is. */

import { Elysia } from "elysia";
import type { Access } from "../access/access.ts";
import { isSameSecret } from "../lib/secrets.ts";
import { canonicalIp } from "../net/ip-address.ts";
import { clientAddressBehind } from "../proxy/client-address.ts";
import { bearerOf, callerOf } from "./authorization.ts";
import { bodyFields, withoutParser } from "./request-input.ts";
import { json, problem } from "./responses.ts";

export interface LoginOptions {
  readonly access: Access;
  /** The peer address of the connection that a request came on. */
  readonly peerOf: (request: Request) => string;
  /** Whether the peer is a proxy whose word about its client counts; without it, none is. */
  readonly isTrustedProxy?: ((address: string) => boolean) | undefined;
  /** The credential of the dashboard in this process. */
  readonly dashboardSecret?: string | undefined;
}

/** Longer values only cost time to hash. */
const maxName = 64;
const maxPassword = 1_024;
const maxDevice = 128;

/**
 * A session is a bearer like any token, never a cookie, so no browser sends it unasked. The dashboard has the forms and
 * the cookie, and protects both.
 */
export function loginRoutes(options: LoginOptions) {
  const { access } = options;
  return (
    new Elysia({ handler: { standardHostname: false } })
      .post(
        "/api/login",
        async ({ request }) => {
          if (!access.hasUsers) return problem(404, "no_users", "Cannot log in: no users are configured.");
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const { name, password, device } = fields;
          if (!isText(name, maxName) || !isText(password, maxPassword)) {
            return problem(
              400,
              "login_invalid",
              `Cannot log in: expected {"name": …, "password": …} with texts of at most ${maxName} and ${maxPassword} characters.`,
            );
          }
          const credentials = { name, password, address: addressOf(request, options) };
          const known = isText(device, maxDevice) ? device : undefined;
          const result = await access.login({ ...credentials, device: known });
          if (result.kind === "accepted") {
            const { kind: _, ...accepted } = result;
            return json(200, { name, ...accepted });
          }
          if (result.kind === "refused") {
            return problem(401, "login_refused", "Cannot log in: name or password is wrong.");
          }
          const seconds = Math.ceil(result.waitMs / 1_000);
          const detail = `Cannot log in: too many failed logins. Try again in ${seconds} s.`;
          const paused = problem(429, "login_paused", detail, { retryAfterSeconds: seconds });
          paused.headers.set("Retry-After", String(seconds));
          return paused;
        },
        withoutParser,
      )

      .post(
        "/api/logout",
        async ({ request }) => {
          const isEnded = await access.logout(bearerOf(request) ?? "", addressOf(request, options));
          return isEnded
            ? json(200, { ended: true })
            : problem(409, "no_session", "Cannot log out: this caller has no session.");
        },
        withoutParser,
      )

      // `login` says whether users are configured; `name` is null for callers without one.
      .get("/api/me", ({ request }) => {
        const { kind = "anybody", name = null, role = "viewer" } = callerOf(request) ?? {};
        return json(200, { kind, name, role, login: access.hasUsers });
      })
  );
}

function isText(value: unknown, maxChars: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxChars;
}

/**
 * The address that a failed login counts for. A dashboard logs in many people and sends their addresses in
 * X-Evenkeel-Client, which counts only with its credential: every program of this machine could send it.
 */
function addressOf(request: Request, options: LoginOptions): string {
  const peerAddress = options.peerOf(request);
  const header = (name: string) => request.headers.get(name) ?? undefined;
  const claimed = header("x-evenkeel-client");
  if (claimed !== undefined && isDashboard(request, options)) return canonicalIp(claimed) ?? peerAddress;
  const { isTrustedProxy } = options;
  return isTrustedProxy?.(peerAddress)
    ? clientAddressBehind({ peerAddress, header }, isTrustedProxy)
    : peerAddress;
}

/**
 * Whether the request shows a dashboard's credential: the secret of the dashboard in this process, or, from another
 * process, the token of the balancer or of a program with the role admin.
 */
function isDashboard(request: Request, { access, dashboardSecret }: LoginOptions): boolean {
  const credential = request.headers.get("x-evenkeel-dashboard") ?? bearerOf(request);
  if (credential === undefined) return false;
  if (dashboardSecret !== undefined && isSameSecret(credential, dashboardSecret)) return true;
  const caller = access.identify(credential);
  return caller?.role === "admin" && (caller.kind === "bearer" || caller.kind === "program");
}
