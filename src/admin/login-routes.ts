/** The part of the admin API that knows people: login, logout, and who one is; apart, since only it makes sessions. */

import { isIP } from "node:net";

import { Elysia } from "elysia";

import type { Access } from "../access/access.ts";
import { isLoopback } from "../net/address.ts";
import { json, problem } from "./responses.ts";
import { bodyFields } from "./request-input.ts";
import { bearerOf, callerOf } from "./authorization.ts";

export interface LoginOptions {
  readonly access: Access;
  /** The peer of the connection that a request came on. */
  readonly peerOf: (request: Request) => string;
}

/** Longer ones would only cost time to hash. */
const maxName = 64;
const maxPassword = 1_024;

/**
 * A session is a bearer like any token and never a cookie here, so that no browser sends it unasked. The dashboard, which
 * has the forms, has the cookie too, and protects both.
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
            return problem(400, "login_invalid", 'Cannot log in: send {"name": …, "password": …}');
          }
          const response = await access.login({ name, password, address: addressOf(request, peerOf) });
          if (response.kind === "accepted") {
            return json(200, { name, role: response.role, session: response.session });
          }
          if (response.kind === "refused") {
            return problem(401, "login_refused", "Cannot log in: name or password is wrong.");
          }
          const seconds = Math.ceil(response.waitMs / 1_000);
          const detail = `Cannot log in: too many failures, try again in ${seconds} s.`;
          const paused = problem(429, "login_paused", detail, { retryAfterSeconds: seconds });
          paused.headers.set("Retry-After", String(seconds));
          return paused;
        },
        { parse: "none" },
      )

      .post(
        "/api/logout",
        ({ request }) => {
          const isEnded = access.logout(bearerOf(request) ?? "", addressOf(request, peerOf));
          return isEnded
            ? json(200, { ended: true })
            : problem(409, "no_session", "Cannot log out: this caller has not logged in.");
        },
        { parse: "none" },
      )

      /** `login` says whether people log in here; `name` is null for those who have none. */
      .get("/api/me", ({ request }) => {
        const { kind = "anybody", name = null, role = "viewer" } = callerOf(request) ?? {};
        return json(200, { kind, name, role, login: access.hasUsers });
      })
  );
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= longest;
}

/**
 * Whom a failure is counted for. A dashboard logs many people in, and says for whom; it is believed where it comes from
 * this machine, whose programs have as many addresses as they like, or with the right of an admin.
 */
function addressOf(request: Request, peerOf: LoginOptions["peerOf"]): string {
  const peer = peerOf(request);
  const told = request.headers.get("x-evenkeel-client") ?? "";
  const isBelieved = isLoopback(peer) || callerOf(request)?.role === "admin";
  return isBelieved && isIP(told) ? told : peer;
}
