/** Routes of sessions: login, logout, and who the caller is. */

import { isIP } from "node:net";
import { Elysia } from "elysia";
import type { Access } from "../access/access.ts";
import { isLoopback } from "../net/address.ts";
import { bearerOf, callerOf } from "./authorization.ts";
import { bodyFields, withoutParser } from "./request-input.ts";
import { json, problem } from "./responses.ts";

export interface LoginOptions {
  readonly access: Access;
  /** The peer address of the connection that a request came on. */
  readonly peerOf: (request: Request) => string;
}

/** Longer values only cost time to hash. */
const maxName = 64;
const maxPassword = 1_024;

/**
 * A session is a bearer like any token, never a cookie, so no browser sends it unasked. The dashboard has the forms and
 * the cookie, and protects both.
 */
export function loginRoutes({ access, peerOf }: LoginOptions) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      .post(
        "/api/login",
        async ({ request }) => {
          if (!access.hasUsers) return problem(404, "no_users", "Cannot log in: no users are configured.");
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const { name, password } = fields;
          if (!isText(name, maxName) || !isText(password, maxPassword)) {
            return problem(
              400,
              "login_invalid",
              `Cannot log in: expected {"name": …, "password": …} with texts of at most ${maxName} and ${maxPassword} characters.`,
            );
          }
          const result = await access.login({ name, password, address: addressOf(request, peerOf) });
          if (result.kind === "accepted") {
            return json(200, { name, role: result.role, session: result.session });
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
        ({ request }) => {
          const isEnded = access.logout(bearerOf(request) ?? "", addressOf(request, peerOf));
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
 * X-Evenkeel-Client. The header counts only from loopback, where programs can use any address anyway, and from admins.
 */
function addressOf(request: Request, peerOf: LoginOptions["peerOf"]): string {
  const peer = peerOf(request);
  const claimed = request.headers.get("x-evenkeel-client") ?? "";
  const isTrusted = isLoopback(peer) || callerOf(request)?.role === "admin";
  return isTrusted && isIP(claimed) ? claimed : peer;
}
