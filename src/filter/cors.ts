/** Cross-origin requests of browsers (the Fetch standard, "CORS protocol"): answers preflights, and names who may read a response. */

import { textMemo } from "../lib/text-memo.ts";
import type { FilteredRequest, FilterVerdict, RequestFilter } from "../proxy/filter.ts";
import { type LocalReply, refusal } from "../proxy/refusal.ts";
import { checkedField, type Field, type FieldEdit, PlainNames } from "../proxy/head-edit.ts";

export interface CorsSettings {
  /** `https://app.example.com`, `https://*.example.com`, `null`, or `*` for every origin. */
  readonly origins: readonly string[];
  /** Beside GET, HEAD and POST. */
  readonly methods?: readonly string[];
  readonly headers?: readonly string[];
  readonly expose?: readonly string[];
  /** Not together with `*`. */
  readonly credentials?: boolean;
  readonly maxAgeSeconds?: number;
}

/** Methods that need no preflight. */
const simpleMethods = ["GET", "HEAD", "POST"];

/** A preflight never reaches an upstream: browsers send it without what authentication asks for. */
export function createCors(settings: CorsSettings): RequestFilter {
  const { origins, credentials = false, expose = [], maxAgeSeconds } = settings;
  const isKnown = originMatcher(origins);
  const isPublic = origins.includes("*");
  const methods = [...new Set([...simpleMethods, ...(settings.methods ?? [])])].join(", ");
  // A cache must not give the response for one origin to another.
  const always: readonly Field[] = isPublic ? [] : [["Vary", "Origin"]];
  const ofPreflight: readonly Field[] = [
    ["Access-Control-Allow-Methods", methods],
    ...(settings.headers ? [["Access-Control-Allow-Headers", settings.headers.join(", ")] as const] : []),
    ...(maxAgeSeconds === undefined ? [] : [["Access-Control-Max-Age", String(maxAgeSeconds)] as const]),
  ];
  const ofResponse: readonly Field[] =
    expose.length > 0 ? [["Access-Control-Expose-Headers", expose.join(", ")]] : [];
  const fieldsFor = (allowed: string): CorsFields => {
    const allowing: readonly Field[] = [
      ...always,
      ["Access-Control-Allow-Origin", allowed],
      ...(credentials ? [["Access-Control-Allow-Credentials", "true"] as const] : []),
    ];
    return {
      isAllowed: true,
      ofPreflight: editWith([...allowing, ...ofPreflight]),
      ofResponse: editWith([...allowing, ...ofResponse]),
    };
  };
  const ofOthers: CorsFields = {
    isAllowed: false,
    ofPreflight: editWith(always),
    ofResponse: editWith(always),
  };
  const fieldsOf = textMemo((origin) => (isKnown(origin) ? fieldsFor(origin) : ofOthers));
  // A public response says so without an Origin too: a cache may give it to the script of a page later.
  const ofAll = isPublic ? fieldsFor("*") : undefined;
  return {
    name: "cors",
    admit(request): FilterVerdict {
      const fields = ofAll ?? fieldsIn(request.head.header("origin"));
      const isPreflight = isPreflightOf(request);
      request.editResponse(isPreflight ? fields.ofPreflight : fields.ofResponse);
      if (!isPreflight) return undefined;
      return fields.isAllowed ? preflight : refused;
    },
    foresee(request) {
      const origin = request.head.header("origin");
      if (origin === undefined) return { verdict: "passes", why: "it has no Origin" };
      const known = isKnown(origin) ? "its origin is in the list" : "its origin is not in the list";
      if (!isPreflightOf(request)) return { verdict: "passes", why: known };
      return { verdict: "answers", why: `it is a preflight, and ${known}` };
    },
  };

  function fieldsIn(origin: string | undefined): CorsFields {
    return origin === undefined ? ofOthers : fieldsOf(origin);
  }
}

/** What the responses for one origin have, prepared once for all its requests. */
interface CorsFields {
  readonly isAllowed: boolean;
  readonly ofPreflight: FieldEdit;
  readonly ofResponse: FieldEdit;
}

/** The upstream's own answer to the same question. */
const replacedNames = new PlainNames(["Access-Control-*"]);

function editWith(fields: readonly Field[]): FieldEdit {
  return { removed: replacedNames, added: fields.map(([name, value]) => checkedField(name, value)) };
}

const preflight: LocalReply = { ...refusal("preflight"), reply: { headers: [], body: "" } };
const refused: LocalReply = { ...refusal("cors_refused"), reply: { headers: [], body: "" } };

function isPreflightOf({ head }: FilteredRequest): boolean {
  return (
    head.method === "OPTIONS" &&
    head.header("origin") !== undefined &&
    head.header("access-control-request-method") !== undefined
  );
}

/** Browsers write origins in lower case and without the default port. */
function originMatcher(origins: readonly string[]): (origin: string) => boolean {
  if (origins.includes("*")) return () => true;
  const exact = new Set(origins.map((origin) => origin.toLowerCase()));
  const below = [...exact].flatMap((origin) => {
    const [start, end] = origin.split("*");
    return start !== undefined && end !== undefined ? [{ start, end }] : [];
  });
  return (origin) =>
    exact.has(origin) ||
    below.some(
      ({ start, end }) =>
        origin.startsWith(start) &&
        origin.endsWith(end) &&
        /^[a-z\d_](?:[a-z\d._-]*[a-z\d_])?$/.test(origin.slice(start.length, origin.length - end.length)),
    );
}
