/** The basicAuth filter: asks for a user name and a password (RFC 7617). */

import type { FilteredRequest, FilterVerdict, RequestFilter } from "../proxy/filter.ts";
import { type Refusal, refusal } from "../proxy/refusal.ts";
import {
  type CredentialCheck,
  type BasicCredentials,
  type CredentialVerdict,
  type RememberedUser,
  userFieldValue,
} from "./credential-check.ts";

export interface BasicAuthOptions {
  readonly check: CredentialCheck;
  /** Shown by browsers. */
  readonly realm: string;
  /** The field in which the upstream gets the user's name. */
  readonly forward?: string | undefined;
  /** Whether the upstream gets Authorization. */
  readonly keepsAuthorization: boolean;
}

export function createBasicAuth(options: BasicAuthOptions): RequestFilter {
  const { check, realm } = options;
  const required = (request: FilteredRequest): Refusal => {
    request.setResponseField("WWW-Authenticate", `Basic realm="${realm}", charset="UTF-8"`);
    return refusal("auth_required");
  };
  const answerTo = (
    request: FilteredRequest,
    { name }: BasicCredentials,
    verdict: CredentialVerdict,
  ): FilterVerdict => {
    if (verdict === "right") return admitted(request, { name, fieldValue: userFieldValue(name) }, options);
    if (verdict === "wrong") return required(request);
    if (verdict === "busy") return refusal("auth_unavailable");
    request.setResponseField("Retry-After", String(Math.max(1, Math.ceil(verdict.pausedMs / 1_000))));
    return { ...refusal("rate_limited"), violation: "too many wrong passwords" };
  };
  return {
    name: "basicAuth",
    admit(request) {
      const field = request.head.header("authorization");
      if (field === undefined || field.length > maxFieldChars) return required(request);
      const user = check.userOf(field);
      if (user) return admitted(request, user, options);
      const credentials = credentialsIn(field);
      if (!credentials) return required(request);
      const verdict = check.verdictOf(credentials, request.head.clientAddress);
      if (!(verdict instanceof Promise)) return answerTo(request, credentials, verdict);
      return verdict.then((settled) => answerTo(request, credentials, settled));
    },
    foresee({ head }) {
      const credentials = credentialsIn(head.header("authorization"));
      if (!credentials)
        return { verdict: "answers", refusal: "auth_required", why: "it has no user name and password" };
      return { verdict: "unknown", why: "a dry run verifies no password" };
    },
  };
}

function admitted(
  request: FilteredRequest,
  user: Pick<RememberedUser, "name" | "fieldValue">,
  { forward, keepsAuthorization }: BasicAuthOptions,
): undefined {
  request.user = user.name;
  if (!keepsAuthorization) request.setUpstreamField("Authorization", undefined);
  if (forward !== undefined) request.setUpstreamField(forward, user.fieldValue);
  return undefined;
}

const controlCharacter = /\p{Cc}/u;

/** Longer ones are no user's. */
const maxFieldChars = 2_048;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined for a field that is missing, of another scheme, or not valid: control characters may not be in it. */
function credentialsIn(field: string | undefined): BasicCredentials | undefined {
  if (field === undefined || field.length > maxFieldChars) return undefined;
  const [, encoded] = /^basic +([A-Za-z\d+/]+={0,2}) *$/i.exec(field) ?? [];
  if (encoded === undefined) return undefined;
  let text: string;
  try {
    text = utf8.decode(Buffer.from(encoded, "base64"));
  } catch {
    return undefined;
  }
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1 || controlCharacter.test(text)) return undefined;
  return { name: text.slice(0, colon), password: text.slice(colon + 1), field };
}
