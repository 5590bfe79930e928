/** How routes read a path: a table of spellings, what is refused, and properties of the normal form. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { isPlainPath, readPath } from "../../src/proxy/request-path.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { routeTable, type TestRoute } from "../support/routes.ts";

const to = (name: string) => ({ name }) as unknown as Destination;
const routes: readonly TestRoute[] = [
  { host: "a.test", path: "/admin", destination: to("admin") },
  { host: "a.test", path: "/public", destination: to("public") },
  { host: "a.test", path: "/café", destination: to("coffee") },
  { host: "a.test", path: "/c++/%7e", destination: to("plus") },
  { host: "a.test", destination: to("root") },
  { host: "*.b.test", destination: to("wild") },
  { path: "/", destination: to("rest") },
];

function headOf(target: string, host = "a.test"): RequestHead {
  const address = { peerAddress: "192.0.2.1", clientAddress: "192.0.2.1" };
  return { method: "GET", target, host, ...address, scheme: "http", header: () => undefined };
}

const table = routeTable(routes);

function whereTo(target: string, host?: string, given = table): string {
  const found = given.find(headOf(target, host));
  if (found?.violation) return "400";
  return (found?.route?.destination as unknown as { name: string } | undefined)?.name ?? "404";
}

describe("the route of a path", () => {
  const rows: Readonly<Record<string, readonly string[]>> = {
    admin: [
      "/admin", "/admin/", "/admin/x?y=/public", "/admin?x=%2F", "//admin", "///admin//x", "/./admin", "/x/../admin", "/%61dmin",
      "/%61%64%6D%69%6e/x", "/x/%2e%2e/admin", "/x/.%2E/admin", "/%2e/admin", "/../../admin", "/public/../admin", "/admin/.", "/admin/x/..",
      "/x/y/../../admin", "/admin/%20", "/admin/a%2Bb", "/admin/;x=1", "/admin/%2525",
    ],
    public: ["/admin/../public", "/public/..a", "/public/a..", "/public/..."],
    coffee: ["/caf%C3%A9", "/caf%c3%a9/x", "/caf\u00c3\u00a9"],
    plus: ["/c++/~", "/c%2B%2b/%7E"],
    root: [
      "/", "/administrator", "/Admin", "/admin..", "/public/..", "/a//b", "/a/./b", "/x;jsessionid=1", "/wiki/C%2B%2B", "/voil%C3%A0",
      "/_matrix/room/%23sd%3Ahost", "/100%25", "/a%20b", "/x?a=/../admin", "/?%2f%00", "*", "/x/%E2%98%83", "/a%3Fb", "/a%252Fb",
    ],
    400: [
      "/admin%2F", "/admin%2fx", "/x%2fy", "/%2e%2e%2fadmin", "/public/..%2fadmin", "/public%2f..%2fadmin", "/\\admin", "/x\\y", "/%5cadmin",
      "/public/..;/admin", "/x/..;a=b/y", "/.;/admin", "/x/%2e%2e;/admin", "/x/..%3b/admin", "/admin;x=1/y", "/admin;x", "/%2561dmin",
      "/admin%252fx", "/x/%252e%252e/admin", "/%25252561dmin", "/admin%3Fx", "/admin%23x", "/admin%00", "/x%0", "/x%", "/x%zz", "/x%u002e",
      "/public/%c0%ae%c0%ae/admin", "/%C1%9cx", "/%e0%80%afadmin", "/%f0%80%80%afx", "/\u00c0\u00afadmin", "/admin#x", "/admin%20", "/admin%09",
      "/admin%C2%A0", "/admin%A0", "/x//../admin", "/admin%20/x", "/admin\u00a0",
    ],
  }; // prettier-ignore
  for (const [name, targets] of Object.entries(rows))
    for (const target of targets)
      test(`${JSON.stringify(target)} → ${name}`, () => expect(whereTo(target)).toBe(name));

  test("does not matter on a host whose routes have no paths", () => {
    for (const target of rows[400] ?? []) {
      expect(whereTo(target, "x.b.test")).toBe("wild");
      expect(whereTo(target, "other.test")).toBe("rest");
    }
  });

  test("is that of the normal form where ambiguous paths pass", () => {
    const lenient = routeTable(routes, { takesAmbiguousPaths: true });
    const passed: readonly (readonly [target: string, name: string])[] = [
      ["/admin%2Fx", "root"],
      ["/admin/x%2Fy", "admin"],
      ["//%61dmin/%zz", "admin"],
      ["/admin;x", "root"],
    ];
    for (const [target, name] of passed) expect(whereTo(target, "a.test", lenient)).toBe(name);
  });

  test("ignores case, port and the dot of the root in the host", () => {
    for (const host of ["A.Test", "a.test:8080", "a.test.", "a.test.:80", "a.test:"])
      expect(whereTo("/admin", host)).toBe("admin");
    for (const host of ["x.B.test.", "y.z.b.test:1"]) expect(whereTo("/", host)).toBe("wild");
    for (const host of ["b.test", "a.test..", "[::1]", "[::1]:80", ""])
      expect(whereTo("/admin", host)).toBe("rest");
  });

  test("is shown in its normal form, where it arrived in another", () => {
    expect(table.find(headOf("/x/..//%61dmin?q"))).toMatchObject({
      matchedPath: "/admin",
      route: { path: "/admin" },
    });
    expect(table.find(headOf("/admin?//"))?.matchedPath).toBeUndefined();
  });
});

describe("the normal form", () => {
  const random = seededRandom(11);
  const alphabet = [
    "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%", "%25", "a", "B", "~", "+", "%2b", "%41", "\u00e9", "%c3%a9",
    "%00", "%20", "?", "%3f", "#", "0", "4", "1",
  ]; // prettier-ignore
  const anyPath = () =>
    `/${Array.from({ length: Math.floor(random() * 14) }, () => alphabet[Math.floor(random() * alphabet.length)]).join("")}`;

  test("is its own normal form", () => {
    for (let run = 0; run < 30_000; run++) {
      const path = anyPath();
      const { text } = readPath(path);
      expect([path, readPath(text).text]).toEqual([path, text]);
    }
  });

  test("of a plain path is the path, and no server reads it otherwise", () => {
    let plainPaths = 0;
    for (let run = 0; run < 30_000; run++) {
      const path = anyPath();
      if (!isPlainPath(path)) continue;
      plainPaths += 1;
      expect([path, readPath(path)]).toEqual([path, { text: path, others: [] }]);
    }
    expect(plainPaths).toBeGreaterThan(500);
  });

  test("has no dot segment, no empty segment and no escaped letter", () => {
    for (let run = 0; run < 30_000; run++) {
      const { text } = readPath(anyPath());
      expect(text).toMatch(/^\//);
      expect(text).not.toMatch(/\/\/|\/\.\.?(?:\/|$)|%(?:[46][1-9A-F]|[57][\dA]|3\d(?<!3[BF])|2[DE]|7E)/);
    }
  });

  test("takes time in proportion to the length of the path", () => {
    const parts = [
      "/",
      "//",
      "/..",
      "/.",
      "%2e",
      "%20",
      "%20/",
      ";",
      "/;",
      "%25",
      "%2525",
      "%3F",
      "\\",
      "%",
      "a",
      "%C2%A0",
      "/..;",
      "\u00e9",
      " ",
    ];
    const timeOf = (path: string) => {
      const times = Array.from({ length: 9 }, () => {
        const before = performance.now();
        table.find(headOf(path));
        return performance.now() - before;
      });
      return Math.min(...times);
    };
    for (const part of parts) {
      const of = (length: number) => timeOf(`/x;${part.repeat(length / part.length)}`);
      const [short, long] = [of(4_096), of(65_536)];
      // Sixteen times as long; quadratic time would be two hundred and fifty-six times.
      expect([part, long < 100 * Math.max(short, 0.3)]).toEqual([part, true]);
    }
  });
});
