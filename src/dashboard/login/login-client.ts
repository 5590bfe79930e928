/** Client of the admin API's login endpoints: login state of a bearer, login and logout. */

import { type Role, roles } from "../../access/accounts.ts";
import { asRecord, parseJson } from "../../lib/json.ts";
import type { AdminEndpoints } from "../admin-endpoints.ts";
import { describeError, type WebResponse } from "../../client/http-client.ts";

/**
 * `open`: no login is needed, the dashboard uses its own token for every visitor. `closed`: a login is needed and this
 * bearer has none. `unknown`: the admin API is unreachable or its response is not understood.
 */
export type LoginState =
  | { readonly kind: "open" | "closed" | "unknown" }
  | { readonly kind: "user"; readonly name: string; readonly role: Role };

export type LoginOutcome =
  | {
      readonly kind: "accepted";
      readonly session: string;
      /** For the browser to keep; undefined from an older balancer. */
      readonly device: string | undefined;
    }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly text: string;
      readonly retryAfter?: number;
    };

export interface LoginForm {
  readonly name: string;
  readonly password: string;
  /** Client address that failed logins are counted for. */
  readonly address: string;
  /** Of an earlier login with this browser. */
  readonly device?: string | undefined;
}

/** Its promises never reject. */
export interface LoginClient {
  /** @param bearer a session, or the dashboard's own token */
  state(bearer: string | undefined): Promise<LoginState>;
  login(form: LoginForm): Promise<LoginOutcome>;
  logout(session: string, address: string): Promise<void>;
}

export interface LoginClientOptions {
  readonly endpoints: AdminEndpoints;
  /** Authenticates the dashboard, so that the admin API trusts the client addresses that it sends. */
  readonly ownToken: string | undefined;
  /** Does the same for the balancer in this process, which may have no token. */
  readonly dashboardSecret?: string | undefined;
}

const timeoutMs = 2_000;

/** Password verification may wait for a free CPU. */
const loginTimeoutMs = 10_000;

export function loginClient({ endpoints, ownToken, dashboardSecret }: LoginClientOptions): LoginClient {
  const credential = dashboardSecret ?? ownToken;
  const headersFor = (bearer: string | undefined, address?: string) => ({
    accept: "application/json",
    "user-agent": "evenkeel-dashboard",
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    ...(address === undefined ? {} : { "x-evenkeel-client": address }),
    ...(address === undefined || credential === undefined ? {} : { "x-evenkeel-dashboard": credential }),
  });

  return {
    async state(bearer) {
      try {
        return loginStateIn(
          await endpoints.exchange({ method: "GET", path: "api/me", headers: headersFor(bearer), timeoutMs }),
        );
      } catch {
        return { kind: "unknown" };
      }
    },

    async login({ name, password, address, device }) {
      try {
        const response = await endpoints.exchange({
          method: "POST",
          path: "api/login",
          timeoutMs: loginTimeoutMs,
          headers: { ...headersFor(ownToken, address), "content-type": "application/json" },
          body: JSON.stringify({ name, password, device }),
        });
        return outcomeIn(response);
      } catch (error) {
        return { kind: "refused", status: 502, text: `Cannot reach the admin API: ${describeError(error)}.` };
      }
    },

    async logout(session, address) {
      const headers = headersFor(session, address);
      // The dashboard drops the session in any case; the balancer expires it if this request fails.
      await endpoints
        .exchange({ method: "POST", path: "api/logout", headers, body: "", timeoutMs })
        .catch(() => {});
    },
  };
}

function loginStateIn({ status, text }: WebResponse): LoginState {
  const { kind, name, role, login } = asRecord(parseJson(text));
  if (typeof login !== "boolean" || (status !== 200 && status !== 401)) return { kind: "unknown" };
  if (!login) return { kind: "open" };
  const known = roles.find((each) => each === role);
  const isUser = status === 200 && kind === "user" && typeof name === "string" && known !== undefined;
  return isUser ? { kind: "user", name, role: known } : { kind: "closed" };
}

function outcomeIn({ status, text }: WebResponse): LoginOutcome {
  const { session, device, detail, retryAfterSeconds: seconds } = asRecord(parseJson(text));
  if (status === 200 && typeof session === "string")
    return { kind: "accepted", session, device: typeof device === "string" ? device : undefined };
  if (status === 401 || status === 400) {
    return { kind: "refused", status: 401, text: "Wrong name or password." };
  }
  if (status === 429 && typeof seconds === "number") {
    const wait = `Too many failed logins. Try again in ${seconds} s.`;
    return { kind: "refused", status, text: wait, retryAfter: seconds };
  }
  return {
    kind: "refused",
    status: 502,
    text: typeof detail === "string" ? detail : `The admin API responded with status ${status}.`,
  };
}
