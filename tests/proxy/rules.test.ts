import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { hashKeyFor } from "../../src/proxy/hash-key.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { routeTable } from "../support/routes.ts";
import { type RequestHead, requestIds } from "../../src/proxy/request-head.ts";
import { forwardingHeaders, connectionTokens, timesThrough } from "../../src/proxy/forwarding.ts";
import { type RefusalReason, renderRefusal, refusal } from "../../src/proxy/refusal.ts";
import { trustedProxyMatcher } from "../../src/net/address.ts";

function headOf(part: Partial<RequestHead> & { fields?: Record<string, string> } = {}): RequestHead {
  const { fields: headers = {}, ...rest } = part;
  const base = {
    method: "GET",
    target: "/",
    host: "a.example",
    clientAddress: "192.0.2.1",
    peerAddress: "192.0.2.1",
    scheme: "http",
    listener: "main",
  } as const;
  return { ...base, header: (name) => headers[name], ...rest };
}

describe("affinity", () => {
  const head = headOf({
    target: "/a?b",
    fields: { cookie: "x=1; session=s=7 ; session=8", "x-user": "ann" },
  });
  const rows = [
    ["client-address", "192.0.2.1"],
    ["uri", "/a?b"],
    ["header:X-User", "ann"],
    ["header:X-None", "192.0.2.1"],
    ["cookie:session", "s=7"],
    ["cookie:none", "192.0.2.1"],
  ] as const;
  for (const [by, key] of rows)
    test(`${by} uses the key ${key}`, () => expect(hashKeyFor(by)(head)).toBe(key));

  const inCookie: readonly (readonly [cookies: string, key: string])[] = [
    ["sid=", "192.0.2.1"],
    ["sid", "192.0.2.1"],
    ["", "192.0.2.1"],
    ["sid= ", "192.0.2.1"],
    ['sid=""', "192.0.2.1"],
    ['sid="7"', '"7"'],
    ["sid=; sid=7; sid=8", "7"],
    ['sid=""; a=1; sid=7', "7"],
    ["sid=; sid=", "192.0.2.1"],
    ["asid=5; SID=6", "192.0.2.1"],
    ["sid==", "="],
  ];
  for (const [cookie, key] of inCookie) {
    test(`the cookies "${cookie}" give the key ${key}`, () =>
      expect(hashKeyFor("cookie:sid")(headOf({ fields: { cookie } }))).toBe(key));
  }

  for (const [value, key] of [
    ["", "192.0.2.1"],
    [" \t", "192.0.2.1"],
    [", ", "192.0.2.1"],
    ["0", "0"],
    [", ann", ", ann"],
  ] as const) {
    test(`the header value "${value}" gives the key ${key}`, () =>
      expect(hashKeyFor("header:X-User")(headOf({ fields: { "x-user": value } }))).toBe(key));
  }
});

describe("routes", () => {
  const to = (name: string) => ({ name }) as unknown as Destination;
  const routes = routeTable([
    { host: "api.example.com", path: "/v1", destination: to("v1") },
    { host: "*.example.com", destination: to("any") },
    { path: "/static/", destination: to("static") },
  ]);
  const rows: readonly (readonly [host: string, target: string, name: string | undefined])[] = [
    ["api.example.com", "/v1", "v1"],
    ["API.example.com:8080", "/v1/users?x=1", "v1"],
    ["api.example.com", "/v10", "any"],
    ["api.example.com", "/v1?x", "v1"],
    ["deep.api.example.com", "/", "any"],
    ["example.com", "/", undefined],
    ["other", "/static/a.css", "static"],
    ["other", "/static", undefined],
    ["", "/", undefined],
  ];
  for (const [host, target, name] of rows) {
    test(`${host}${target} → ${name}`, () => {
      const destination = routes.find(headOf({ host, target }))?.route?.destination;
      expect(destination as unknown).toEqual(name === undefined ? undefined : { name });
    });
  }
});

describe("forwarding headers", () => {
  const options = {
    listenPort: 8080,
    isTrustedProxy: (address: string) => address === "10.0.0.1",
    viaName: "evenkeel-1",
  };
  const spoofed = {
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "h",
    "x-forwarded-port": "443",
  };

  test("contain the observed values when the peer is not trusted", () => {
    expect(forwardingHeaders(headOf({ fields: spoofed }), options)).toEqual({
      "X-Forwarded-For": "192.0.2.1",
      "X-Forwarded-Proto": "http",
      "X-Forwarded-Host": "a.example",
      "X-Forwarded-Port": "8080",
      Via: "1.1 evenkeel-1",
    });
  });

  test("keep a trusted peer's values and append its address", () => {
    const headers = forwardingHeaders(
      headOf({ peerAddress: "10.0.0.1", fields: { ...spoofed, via: "2 edge" } }),
      options,
    );
    expect(headers).toEqual({
      "X-Forwarded-For": "6.6.6.6, 10.0.0.1",
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "h",
      "X-Forwarded-Port": "443",
      Via: "2 edge, 1.1 evenkeel-1",
    });
  });

  test("count the passages through one balancer", () => {
    const rows: readonly (readonly [via: string | undefined, times: number])[] = [
      [undefined, 0],
      ["", 0],
      ["1.1 evenkeel", 0],
      ["1.1 evenkeel-2, 1.1 evenkeel-11", 0],
      ["1.1 evenkeel-1", 1],
      ["1.1 x (evenkeel-1), evenkeel-1", 0],
      ["HTTP/1.1 Evenkeel-1 (comment), 2 edge ,1.1\tevenkeel-1", 2],
      [Array.from({ length: 900 }, () => "1.1 evenkeel-1").join(","), 900],
    ];
    for (const [via, times] of rows) expect([via, timesThrough(via, "evenkeel-1")]).toEqual([via, times]);
  });

  test("Connection names headers in any case, with odd spaces and commas", () =>
    expect(connectionTokens(" X-A ,,close,X-b")).toEqual(["x-a", "close", "x-b"]));
});

describe("trust", () => {
  const isTrusted = trustedProxyMatcher(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
  for (const address of ["10.1.2.3", "192.0.2.7", "2001:db8::1"])
    test(`includes ${address}`, () => expect(isTrusted(address)).toBe(true));
  for (const address of ["11.0.0.1", "192.0.2.8", "2001:db9::1", "", "nonsense"]) {
    test(`excludes "${address}"`, () => expect(isTrusted(address)).toBe(false));
  }
});

describe("refusals", () => {
  const plain = { accept: undefined, contentType: undefined };

  test.each<readonly [reason: RefusalReason, status: number | undefined, code: string]>([
    ["no_upstream", undefined, "14"],
    ["stream_refused", undefined, "14"],
    ["connect_refused", undefined, "14"],
    ["connect_timeout", undefined, "14"],
    ["head_timeout", undefined, "4"],
    ["total_timeout", undefined, "4"],
    ["no_route", undefined, "12"],
    ["request_invalid", undefined, "13"],
    ["request_invalid", 405, "12"],
    ["request_too_large", undefined, "8"],
    ["rehearsal", 599, "2"],
  ])("are a status of gRPC for its clients: %s", (reason, status, code) => {
    for (const contentType of ["application/grpc", "application/grpc+proto", "Application/gRPC; x=y"]) {
      const response = renderRefusal(refusal(reason, status), { ...plain, contentType }, "id");
      const fields = new Map(response.headers);
      expect([response.status, response.body, fields.get("Content-Type")]).toEqual([
        200,
        "",
        "application/grpc",
      ]);
      expect(fields.get("Grpc-Status")).toBe(code);
      expect(fields.get("Grpc-Message")).toMatch(/^[ -~]+$/);
      expect(fields.get("Proxy-Status")).toContain(`details="${reason}"`);
    }
    const web = renderRefusal(
      refusal(reason, status),
      { ...plain, contentType: "application/grpc-web+proto" },
      "id",
    );
    expect(web.status).toBe(refusal(reason, status).status);
  });

  test("are percent-encoded for gRPC", () => {
    const refused = { ...refusal("request_invalid"), violation: "50 % of é\r\n" };
    const { headers } = renderRefusal(refused, { ...plain, contentType: "application/grpc" }, "id");
    expect(new Map(headers).get("Grpc-Message")).toBe("The request is invalid: 50 %25 of %C3%A9%0D%0A.");
  });

  test("are one line of text with Proxy-Status and the request's id", () => {
    const response = renderRefusal(refusal("connect_refused"), plain, "id-1");
    expect(response.status).toBe(502);
    expect(response.body).toBe("502 connect_refused: The upstream refused the connection. (request id-1)\n");
    expect(new Map(response.headers).get("Proxy-Status")).toBe(
      'evenkeel; error=connection_refused; details="connect_refused"',
    );
  });

  test("are JSON for clients that accept it", () => {
    const { body } = renderRefusal(
      refusal("no_upstream"),
      { ...plain, accept: "text/html, application/problem+json;q=0.9" },
      "id-2",
    );
    expect(JSON.parse(String(body))).toEqual({
      error: {
        status: 503,
        reason: "no_upstream",
        message: "No upstream is available.",
        requestId: "id-2",
      },
    });
  });

  test("have Retry-After with 503, and Allow with 405", () => {
    const headersOf = (given: ReturnType<typeof refusal>) =>
      new Map(renderRefusal(given, plain, "id").headers);
    expect(Number(headersOf(refusal("no_upstream")).get("Retry-After"))).toBeGreaterThan(0);
    expect(headersOf(refusal("request_invalid", 405)).get("Allow")).toContain("POST");
    expect(headersOf(refusal("request_invalid")).has("Allow")).toBe(false);
  });
});

describe("request ids", () => {
  const idOf = requestIds(seededRandom(1));
  test("are kept when short and without special characters", () =>
    expect(idOf("4bf92f35-77b3.4da6:a/b")).toBe("4bf92f35-77b3.4da6:a/b"));
  for (const bad of ["", "a b", "a\r\nX: 1", "<script>", "é", "x".repeat(129)]) {
    test(`are generated when the given one is ${JSON.stringify(bad.slice(0, 12))}`, () =>
      expect(idOf(bad)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{6}$/));
  }
  test("never repeat", () =>
    expect(new Set(Array.from({ length: 1_000 }, () => idOf(undefined))).size).toBe(1_000));
});
