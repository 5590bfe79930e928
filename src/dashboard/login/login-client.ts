/** What the admin API says of people: whether they log in there, who one is, and whether a password is right. */

import { type Role, roles } from "../../access/accounts.ts";
import { asRecord, parseJson } from "../../lib/json.ts";
import { describeError, exchangeWeb, type WebResponse } from "../../client/http-client.ts";

/**
 * `open`: nobody has to log in, the dashboard acts for everybody. `closed`: people log in, and this bearer has not.
 * `unknown`: the admin API cannot be asked, or says nothing that is understood.
 */
export type LoginState =
  | { readonly kind: "open" | "closed" | "unknown" }
  | { readonly kind: "user"; readonly name: string; readonly role: Role };

export type LoginOutcome =
  | { readonly kind: "accepted"; readonly session: string }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly words: string;
      readonly retryAfter?: number;
    };

export interface LoginForm {
  readonly name: string;
  readonly password: string;
  /** Whom failures are counted for. */
  readonly address: string;
}

/** Nothing here rejects. */
export interface LoginClient {
  /** @param bearer a session, or the dashboard's own token */
  state(bearer: string | undefined): Promise<LoginState>;
  login(given: LoginForm): Promise<LoginOutcome>;
  logout(session: string, address: string): Promise<void>;
}

export interface LoginClientOptions {
  readonly adminUrl: string;
  /** Shows that the client addresses that are told can be believed. */
  readonly ownToken: string | undefined;
}

const timeoutMs = 2_000;

/** Verifying may have to wait for a processor. */
const loginTimeoutMs = 10_000;

export function loginClient({ adminUrl, ownToken }: LoginClientOptions): LoginClient {
  const url = (path: string) => new URL(path, adminUrl.endsWith("/") ? adminUrl : `${adminUrl}/`);
  const fieldsWith = (bearer: string | undefined, address?: string) => ({
    accept: "application/json",
    "user-agent": "evenkeel-dashboard",
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    ...(address === undefined ? {} : { "x-evenkeel-client": address }),
  });

  return {
    async state(bearer) {
      try {
        return loginStateIn(
          await exchangeWeb({ method: "GET", url: url("api/me"), headers: fieldsWith(bearer), timeoutMs }),
        );
      } catch {
        return { kind: "unknown" };
      }
    },

    async login({ name, password, address }) {
      try {
        const response = await exchangeWeb({
          ...{ method: "POST", url: url("api/login"), timeoutMs: loginTimeoutMs },
          headers: { ...fieldsWith(ownToken, address), "content-type": "application/json" },
          body: JSON.stringify({ name, password }),
        });
        return outcomeIn(response);
      } catch (error) {
        const text = `The balancer cannot be asked: ${describeError(error)}.`;
        return { kind: "refused", status: 502, words: text };
      }
    },

    async logout(session, address) {
      const headers = fieldsWith(session, address);
      // The session is forgotten here in any case; there it ends by itself.
      await exchangeWeb({ method: "POST", url: url("api/logout"), headers, body: "", timeoutMs }).catch(
        () => {},
      );
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
  const { session, detail, retryAfterSeconds: seconds } = asRecord(parseJson(text));
  if (status === 200 && typeof session === "string") return { kind: "accepted", session };
  if (status === 401 || status === 400) {
    return { kind: "refused", status: 401, words: "Name or password is wrong." };
  }
  const words = typeof detail === "string" ? detail : `The balancer answers with status ${status}.`;
  if (status !== 429 || typeof seconds !== "number") return { kind: "refused", status: 502, words };
  const paused = `Too many failures. Try again in ${seconds} s.`;
  return { kind: "refused", status, words: paused, retryAfter: seconds };
}
