/** Which route a request takes: the cases that the design of routes was accepted with. */

import { describe, expect, test } from "bun:test";

import type { Destination, RouteTable } from "../../src/proxy/route.ts";
import type { RouteConditions, ValueCondition } from "../../src/routing/conditions.ts";
import { createRouteTable, type RouteTableOptions } from "../../src/routing/route-table.ts";
import { testHead, type TestHead } from "../support/request-head.ts";

interface CaseRoute extends Omit<RouteConditions, "path" | "hosts"> {
  readonly to: string;
  readonly host?: string;
  readonly path?: string;
  readonly exact?: string;
}

function tableOf(routes: readonly CaseRoute[], options?: RouteTableOptions): RouteTable {
  const entries = routes.map(({ to, host, path, exact, ...conditions }, index) => ({
    conditions: {
      ...conditions,
      ...(host !== undefined && { hosts: [host] }),
      ...(path !== undefined && {
        path: { kind: path.includes("{") ? ("template" as const) : ("prefix" as const), text: path },
      }),
      ...(exact !== undefined && { path: { kind: "exact" as const, text: exact } }),
    },
    route: { place: `routes[${index}]`, destination: { name: to } as unknown as Destination },
  }));
  return createRouteTable(entries, options);
}

const routes: readonly CaseRoute[] = [
  { host: "a.test", path: "/", to: "root" },
  { host: "a.test", path: "/admin", to: "admin" },
  { host: "a.test", path: "/public", to: "public" },
  { host: "a.test", path: "/api", to: "api" },
  { host: "a.test", exact: "/api/health", to: "health" },
  { host: "a.test", path: "/u/{id}/photos", to: "photos" },
  { host: "a.test", path: "/u/me", to: "me" },
  { host: "*.b.test", to: "wild" },
  { host: "x.b.test", to: "exact" },
];
const table = tableOf(routes);

function whereTo(head: TestHead, given = table): string {
  const found = given.find(testHead(head));
  if (found?.violation) return found.violation.reason ?? "request_invalid";
  return (found?.route?.destination as unknown as { name: string } | undefined)?.name ?? "no_route";
}

const ambiguous = "path_ambiguous";

/** By number of the case. */
const pathCases: ReadonlyArray<readonly [number, to: string, ...targets: string[]]> = [
  [1, "root", "/"],
  [2, "root", "/administrator"],
  [3, "admin", "/admin", "/admin/", "/admin/x?y=/public"],
  [4, "root", "/Admin"],
  [5, "admin", "/%61dmin"],
  [6, ambiguous, "/admin%2F"],
  [7, ambiguous, "/admin%2fx"],
  [8, ambiguous, "/public/../admin"],
  [9, ambiguous, "/public/%2e%2e/admin"],
  [10, ambiguous, "/public/..%2fadmin"],
  [11, ambiguous, "/public%2f..%2fadmin"],
  [12, ambiguous, "//admin"],
  [13, ambiguous, "/\\admin"],
  [14, ambiguous, "/%5cadmin"],
  [15, ambiguous, "/./admin"],
  [16, ambiguous, "/public/..;/admin"],
  [17, ambiguous, "/admin;x=1/y"],
  [18, ambiguous, "/%2561dmin", "/admin%252fx"],
  [19, ambiguous, "/admin%3Fx", "/admin%23x"],
  [20, "request_invalid", "/admin%00", "/x%0"],
  [21, ambiguous, "/public/%c0%ae%c0%ae/admin"],
  [22, "root", "/api%2e/admin"],
  [23, ambiguous, "/api/%2e%2e/x"],
  [24, "api", "/api/v4/projects/group%2Frepo"],
  [25, "root", "/_matrix/room/%23sd%3Ahost"],
  [26, "root", "/a//b", "/a/./b", "/x;jsessionid=1", "/wiki/C%2B%2B"],
  [29, "api", "/api", "/api/?a=%2F", "/%61pi/x", "/api//evil.test/"],
  [31, "root", "/apix"],
  [34, "health", "/api/health"],
  [34, "api", "/api/health/"],
  [37, "photos", "/u/7/photos/1", "/u/7/photos"],
  [37, "me", "/u/me/photos", "/u/me"],
  [37, "root", "/u/7", "/u/7/", "/u/7/photo"],
  [38, "root", "/u//photos"],
];

describe("the path", () => {
  for (const [number, to, ...targets] of pathCases)
    for (const target of targets)
      test(`${number}: ${target} → ${to}`, () => expect(whereTo({ target })).toBe(to));

  test("27: does not matter on a host whose routes have no path", () => {
    const pathless = tableOf([
      { host: "a.test", to: "p" },
      { host: "b.test", path: "/x", to: "q" },
    ]);
    const rooted = tableOf([{ host: "a.test", path: "/", to: "p" }]);
    for (const [number, , ...targets] of pathCases)
      for (const target of number >= 6 && number <= 23 ? targets : [])
        expect([target, whereTo({ target }, pathless), whereTo({ target }, rooted)]).toEqual([
          target,
          "p",
          "p",
        ]);
  });

  test("28: may be written with letters beyond ASCII", () => {
    const coffee = tableOf([
      { path: "/café", to: "c" },
      { path: "/{id}/naïve", to: "n" },
    ]);
    for (const target of ["/caf%C3%A9", "/caf%c3%a9/x", "/caf\u00c3\u00a9"])
      expect(whereTo({ target }, coffee)).toBe("c");
    expect(whereTo({ target: "/x/na%C3%AFve" }, coffee)).toBe("n");
  });

  test("of other tricks is ambiguous where they lead elsewhere", () => {
    const tricks = [
      "/x%2f..%2fadmin", "/%2e%2e%2fadmin", "/x/..;a=b/admin", "/.;/admin", "/x/..%3b/admin", "/x/%252e%252e/admin",
      "/%25252561dmin", "/%2525252561dmin", "/%C1%9cadmin", "/%e0%80%afadmin", "/\u00c0\u00afadmin", "/admin#x", "/admin%20", "/admin%09",
      "/admin%C2%A0", "/admin%A0", "/x//../admin", "/admin%20/x", "/admin\u00a0", "/x%3f%2f..%2f..%2fadmin", "/public/x%2f..%2f..%2fadmin;%23",
      "/x/%c0%2e%c0%2e%c1%1cadmin", "/public/%252e%252e/admin/%25252e%25252e/public", "/public/r%2fs/../..%2fadmin/..;/../public",
    ]; // prettier-ignore
    for (const target of tricks) expect([target, whereTo({ target })]).toEqual([target, ambiguous]);
    const harmless = [
      "/admin/x%2Fy", "/admin/%2525", "/admin/;x=1", "/x%2fy", "/x\\y", "/x%zz?".replace("%zz", "%25zz"), "/voil%C3%A0", "/100%25", "/a%20b",
      "/x?a=/../admin&%00%zz", "/admin..", "/a%3Fb", "/a%252Fb", "/npm/@scope%2fname", "/.well-known/acme-challenge/x", "/a;b=1/c;d=2",
    ]; // prettier-ignore
    for (const target of harmless)
      expect([target, whereTo({ target })]).toEqual([
        target,
        target.startsWith("/admin/") ? "admin" : "root",
      ]);
  });

  test("is matched in its written form where ambiguous paths pass", () => {
    const lenient = tableOf(routes, { takesAmbiguousPaths: true });
    const passed = [
      ["/admin%2Fx", "root"], ["/admin/x%2Fy", "admin"], ["//admin", "root"], ["/public/../admin", "public"], ["/%61dmin/%zz", "admin"],
      ["/admin/%00", "admin"], ["/admin;x", "root"],
    ] as const; // prettier-ignore
    for (const [target, to] of passed) expect([target, whereTo({ target }, lenient)]).toEqual([target, to]);
  });

  test("names both routes where they differ", () => {
    const found = table.find(testHead({ target: "/public/..;/admin" }));
    expect(found?.route ?? found?.candidates?.map((route) => route?.place)).toEqual([
      "routes[2]",
      "routes[1]",
    ]);
    const onlyAdmin = tableOf([{ path: "/admin", to: "admin" }]).find(testHead({ target: "//admin" }));
    expect(onlyAdmin?.route ?? onlyAdmin?.candidates?.map((route) => route?.place)).toEqual([
      undefined,
      "routes[0]",
    ]);
  });

  test("is shown in its written form, where it arrived in another", () => {
    expect(table.find(testHead({ target: "/%61dmin?q" }))).toMatchObject({ matchedPath: "/admin" });
    for (const target of ["/admin?//", "/a//b"])
      expect(table.find(testHead({ target }))?.matchedPath).toBeUndefined();
  });

  test("that is an asterisk belongs to routes without a path", () => {
    expect(whereTo({ target: "*" })).toBe("no_route");
    expect(whereTo({ target: "*" }, tableOf([...routes, { host: "a.test", to: "all" }]))).toBe("all");
  });
});

describe("captures", () => {
  const templates = tableOf([
    { path: "/u/{id}/photos/{rest...}", to: "photos" },
    { path: "/u/{id}", to: "user" },
    { path: "/{a}/{b}/x{{y}}", to: "braces" },
  ]);
  const capturesOf = (target: string) => {
    const found = templates.find(testHead({ target }));
    return found?.route ? [whereTo({ target }, templates), found.captures] : undefined;
  };

  test("are the bytes that arrived", () => {
    expect(capturesOf("/u/%61b/photos/x%2F%C3%A9?y")).toEqual(["photos", { id: "%61b", rest: "x%2F%C3%A9" }]);
    expect(capturesOf("/%75/7")).toEqual(["user", { id: "7" }]);
    expect(capturesOf("/u/7/photos/")).toEqual(["photos", { id: "7", rest: "" }]);
    expect(capturesOf("/u/7/photos")).toEqual(["user", { id: "7" }]);
    expect(capturesOf("/1/2/x%7By%7D/z")).toEqual(["braces", { a: "1", b: "2" }]);
    // One server finds the photos of a, and another one the user a/b.
    expect(capturesOf("/u/a%2Fb/photos/")).toBeUndefined();
    expect(capturesOf("/u/")).toBeUndefined();
  });
});

describe("the host", () => {
  test("39, 40: is compared without port, case and the dot of the root", () => {
    const cases = [
      ["X.B.Test:8080", "exact"], ["y.b.test", "wild"], ["y.z.b.test", "wild"], ["b.test", "no_route"], ["a.test.", "root"], ["A.test.:80", "root"],
      ["a.test:", "root"], ["a.test..", "no_route"], ["", "no_route"], [".b.test", "no_route"], ["x.a.test", "no_route"], ["[::1]:80", "no_route"],
    ] as const; // prettier-ignore
    for (const [host, to] of cases) expect([host, whereTo({ host })]).toEqual([host, to]);
  });

  test("is exact before a longer wildcard, before a shorter one, before none", () => {
    const hosts = tableOf([
      { to: "none" },
      { host: "*.test", to: "short" },
      { host: "*.b.test", to: "long" },
      { host: "x.b.test", path: "/only", to: "name" },
      { host: "[::1]", to: "literal" },
    ]);
    const cases = [
      ["x.b.test", "/only", "name"], ["x.b.test", "/", "long"], ["y.b.test", "/only", "long"], ["b.test", "/", "short"], ["test", "/", "none"],
      [`${"a.".repeat(2_000)}b.test`, "/", "long"], ["[::1]:80", "/", "literal"], [".".repeat(2_000), "/", "none"],
    ] as const; // prettier-ignore
    for (const [host, target, to] of cases)
      expect([host, target, whereTo({ host, target }, hosts)]).toEqual([host, target, to]);
    expect(hosts.takesHost("anything")).toBe(true);
    expect(["A.test:1", "q.b.test", "zz.test"].map((host) => table.takesHost(host))).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe("the order of the file", () => {
  const both = (...list: CaseRoute[]) => [tableOf(list), tableOf(list.toReversed())];

  test("43: does not matter for different paths", () => {
    for (const given of both({ host: "a.test", to: "p" }, { host: "a.test", path: "/x", to: "q" }))
      expect(whereTo({ target: "/x" }, given)).toBe("q");
  });

  test("44: a route whose conditions do not hold is as if it were not there", () => {
    for (const given of both(
      { host: "a.test", path: "/public", methods: ["POST"], to: "public" },
      { host: "a.test", path: "/", to: "root" },
    )) {
      expect(whereTo({ target: "/public" }, given)).toBe("root");
      expect(whereTo({ target: "/public", method: "POST" }, given)).toBe("public");
    }
    const hosts = tableOf([
      { host: "a.test", methods: ["PUT"], to: "a" },
      { host: "*.test", path: "/", to: "wild" },
    ]);
    expect(whereTo({ method: "PUT" }, hosts)).toBe("a");
    expect(whereTo({}, hosts)).toBe("wild");
    // The same odd path leads to one route only with the conditions of the request.
    expect(whereTo({ target: "/public/../x" }, hosts)).toBe("wild");
  });

  test("decides at the same host and path, and one without conditions is last", () => {
    const given = tableOf([
      { path: "/x", to: "else" },
      { path: "/x", methods: ["GET"], to: "first" },
      { path: "/x", methods: ["GET", "POST"], to: "second" },
    ]);
    expect(["GET", "POST", "PUT"].map((method) => whereTo({ target: "/x", method }, given))).toEqual([
      "first",
      "second",
      "else",
    ]);
  });
});

describe("conditions", () => {
  const withCondition = (conditions: Partial<CaseRoute>) =>
    tableOf([{ to: "v1" }, { to: "v2", ...conditions }]);
  const value = (condition: ValueCondition) => ({ "x-v": condition });

  test("45: header", () => {
    const given = withCondition({ headers: value(["2"]) });
    const cases = [
      [{ "x-v": "2" }, "v2"], [{}, "v1"], [{ "x-v": "2, 2" }, "v2"], [{ "x-v": "1, 2" }, "v2"], [{ x_v: "2" }, "v1"], [{ "x-v": "22" }, "v1"],
      [{ "x-v": "" }, "v1"],
    ] as const; // prettier-ignore
    for (const [headers, to] of cases) expect([headers, whereTo({ headers }, given)]).toEqual([headers, to]);
    const present = withCondition({ headers: value(true) });
    const absent = withCondition({ headers: value(false) });
    for (const headers of [{ "x-v": "1, 2" }, { "x-v": "" }])
      expect([whereTo({ headers }, present), whereTo({ headers }, absent)]).toEqual(["v2", "v1"]);
    expect([whereTo({}, present), whereTo({}, absent)]).toEqual(["v1", "v2"]);
    const list = withCondition({ headers: value(["a, b", "é"]) });
    expect(whereTo({ headers: { "x-v": "a, b" } }, list)).toBe("v2");
    expect(whereTo({ headers: { "x-v": "\u00c3\u00a9" } }, list)).toBe("v2");
  });

  test("46: query", () => {
    const given = withCondition({ query: { v: ["2"] } });
    const cases = [
      ["/?v=2", "v2"], ["/?v=%32", "v2"], ["/?V=2", "v1"], ["/?a=1&v=2&v=3", "v2"], ["/?v=3&v=2", "v1"], ["/?%76=2", "v2"], ["/?v", "v1"],
      ["/?v=2=", "v1"], ["/v=2", "v1"], ["/?", "v1"], ["/?&&v=2", "v2"], ["/?x=?v=2", "v1"], ["/?v=%3", "v1"],
    ] as const; // prettier-ignore
    for (const [target, to] of cases) expect([target, whereTo({ target }, given)]).toEqual([target, to]);
    const text = withCondition({ query: { "a b": ["é+%"] } });
    for (const target of ["/?a+b=%C3%A9%2B%25", "/?a%20b=%c3%a9%2b%", "/?a+b=\u00c3\u00a9%2B%"])
      expect([target, whereTo({ target }, text)]).toEqual([target, "v2"]);
    expect(whereTo({ target: "/?a+b=%25C3" }, text)).toBe("v1");
    const present = withCondition({ query: { v: true } });
    expect(["/?v", "/?v=", "/?w"].map((target) => whereTo({ target }, present))).toEqual(["v2", "v2", "v1"]);
  });

  test("47: cookie", () => {
    const given = withCondition({ cookies: { beta: true } });
    const cases = [
      ["x=1; beta=", "v2"],
      ["notbeta=1", "v1"],
      ["beta", "v1"],
      ["beta=2", "v2"],
      ["x=beta=1", "v1"],
    ] as const;
    for (const [cookie, to] of cases)
      expect([cookie, whereTo({ headers: { cookie } }, given)]).toEqual([cookie, to]);
    const first = withCondition({ cookies: { beta: ["1"] } });
    expect(
      ["beta=1; beta=2", "beta=2; beta=1"].map((cookie) => whereTo({ headers: { cookie } }, first)),
    ).toEqual(["v2", "v1"]);
  });

  test("48 to 50: client, which is not the peer", () => {
    const given = withCondition({ clients: ["10.0.0.0/8", "2001:db8::/32"] });
    const cases = [
      ["203.0.113.9", "v1"],
      ["10.1.1.1", "v2"],
      ["2001:db8:1::2", "v2"],
      ["2001:db9::1", "v1"],
      ["", "v1"],
    ] as const;
    for (const [clientAddress, to] of cases)
      expect([clientAddress, whereTo({ clientAddress, peerAddress: "10.9.9.9" }, given)]).toEqual([
        clientAddress,
        to,
      ]);
  });

  test("method and listener", () => {
    const methods = withCondition({ methods: ["GET", "HEAD"] });
    expect(["GET", "HEAD", "POST", "get"].map((method) => whereTo({ method }, methods))).toEqual([
      "v2",
      "v2",
      "v1",
      "v1",
    ]);
    const listeners = withCondition({ listeners: ["inner"] });
    expect(["main", "inner"].map((listener) => whereTo({ listener }, listeners))).toEqual(["v1", "v2"]);
  });
});
