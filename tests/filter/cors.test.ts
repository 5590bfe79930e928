import { describe, expect, test } from "bun:test";

import { createCors, type CorsSettings } from "../../src/filter/cors.ts";
import { FilteredRequest } from "../../src/proxy/filter.ts";
import type { FilterVerdict, RequestFilter } from "../../src/proxy/filter.ts";
import { requestOf } from "./filtered-request.ts";

const all: CorsSettings = {
  origins: ["https://app.example.com", "https://*.example.org"],
  methods: ["PUT"],
  headers: ["X-Token"],
  expose: ["X-Total"],
  credentials: true,
  maxAgeSeconds: 60,
};

function ask(filter: RequestFilter, origin: string | undefined, isPreflight = false) {
  const headers = {
    ...(origin !== undefined && { origin }),
    ...(isPreflight && { "access-control-request-method": "PUT" }),
  };
  const { match, requestId, head } = requestOf({ headers });
  const asked = isPreflight ? { ...head, method: "OPTIONS" } : head;
  const request = new FilteredRequest(asked, match, { requestId, trace: undefined });
  const verdict = filter.admit(request) as FilterVerdict;
  expect(request.responseEdit?.removed.has("access-control-allow-origin")).toBe(true);
  return [
    verdict?.reason,
    ...(request.responseEdit?.added ?? []).map(([name, value]) => `${name}: ${value}`),
  ];
}

const allowed = (origin: string) => [
  "Vary: Origin",
  `Access-Control-Allow-Origin: ${origin}`,
  "Access-Control-Allow-Credentials: true",
];
const ofPreflight = [
  "Access-Control-Allow-Methods: GET, HEAD, POST, PUT",
  "Access-Control-Allow-Headers: X-Token",
  "Access-Control-Max-Age: 60",
];

describe("a response to another origin", () => {
  test("says each time what its own origin may, however origins follow each other", () => {
    const filter = createCors(all);
    for (let i = 0; i < 3; i++) {
      for (const origin of ["https://app.example.com", "https://a.example.org", "https://b.example.org"]) {
        const fields = allowed(origin);
        expect(ask(filter, origin)).toEqual([undefined, ...fields, "Access-Control-Expose-Headers: X-Total"]);
        expect(ask(filter, origin, true)).toEqual(["preflight", ...fields, ...ofPreflight]);
      }
      for (const origin of [
        "https://evil.example",
        "https://example.org",
        `https://${"a".repeat(200)}.example`,
      ]) {
        expect(ask(filter, origin)).toEqual([undefined, "Vary: Origin"]);
        expect(ask(filter, origin, true)).toEqual(["cors_refused", "Vary: Origin"]);
      }
      expect(ask(filter, undefined)).toEqual([undefined, "Vary: Origin"]);
      // Without an Origin it is no preflight.
      expect(ask(filter, undefined, true)).toEqual([undefined, "Vary: Origin"]);
    }
  });

  test("of a long name below a known one has it in full", () => {
    const origin = `https://${"a".repeat(200)}.example.org`;
    expect(ask(createCors(all), origin)).toContain(`Access-Control-Allow-Origin: ${origin}`);
  });

  test("is for every one where all may read it, also without an Origin", () => {
    const filter = createCors({ origins: ["*"] });
    for (const origin of ["https://app.example.com", undefined])
      expect(ask(filter, origin)).toEqual([undefined, "Access-Control-Allow-Origin: *"]);
    expect(ask(filter, "null", true)).toEqual([
      "preflight",
      "Access-Control-Allow-Origin: *",
      "Access-Control-Allow-Methods: GET, HEAD, POST",
    ]);
  });

  test("does not get what an earlier request got from a later filter", () => {
    const filter = createCors(all);
    const { head } = requestOf({ headers: { origin: "https://app.example.com" } });
    const send = () => {
      const request = new FilteredRequest(head, requestOf().match, { requestId: "a", trace: undefined });
      void filter.admit(request);
      request.addResponseField("X-Later", "1");
      return request.responseEdit?.added.length;
    };
    expect([send(), send()]).toEqual([5, 5]);
  });
});
