import { describe, expect, test } from "bun:test";

import { parsed, problemsOf } from "../cli/fake.ts";

const pools = "pools: { main: { upstreams: [http://10.0.0.1:8080] } }";

interface Case {
  /** What a route has beside its pool, in YAML. */
  readonly route?: string;
  /** More of the file. */
  readonly rest?: string;
  /** Parts of the sentences, one for each problem; none if the file is valid. */
  readonly problems: readonly string[];
}

const problemsIn = ({ route, rest = "" }: Case) => {
  const routes = route === undefined ? "" : `routes: [{ ${route} }]`;
  const files = { "evenkeel.yaml": `${pools}\n${rest}\n${routes}\n`, "f.bin": "a\ufffd", "f.html": "ü" };
  return problemsOf({ argv: "proxy", files });
};

function expectProblems(given: Case): void {
  const found = problemsIn(given);
  expect(
    found.map((text, index) => (text.includes(given.problems[index] ?? "?") ? given.problems[index] : text)),
  ).toEqual([...given.problems]);
}

const set = (side: string, fields: string) => `${side}: { set: { ${fields} } }, pool: main`;

describe("header fields of routes", () => {
  test.each<Case>([
    { route: set("requestHeaders", 'X-A: "1", x_b: "${client}", "X-C": "café\\t$$"'), problems: [] },
    {
      route: set("requestHeaders", 'Connection: x, X-Forwarded-For: x, "X-A": "a\\r\\nB: c"'),
      problems: [
        "requestHeaders.set.Connection at evenkeel.yaml:3:",
        "X-Forwarded-For at evenkeel.yaml:3:",
        "no line ends",
      ],
    },
    {
      route: `compress: true, ${set("responseHeaders", "content-encoding: gzip")}`,
      problems: ["leave one of them out"],
    },
    { route: `compress: false, ${set("responseHeaders", "content-encoding: gzip")}`, problems: [] },
    {
      route: "use: p, pool: main",
      rest: "profiles: { p: { responseHeaders: { default: { Content-Encoding: br } } } }\ndefaults: { compress: true }",
      problems: ["Cannot use routes[0] at evenkeel.yaml:4:"],
    },
    { route: set("requestHeaders", "X_Forwarded_Host: x"), problems: ["trustedProxies"] },
    { route: set("requestHeaders", "X-Forwarded-Prefix: x"), problems: ["use stripPrefix"] },
    { route: set("requestHeaders", "Host: x"), problems: ["use rewrite.host"] },
    {
      route: set("requestHeaders", "Proxy-Authorization: x, X-Request-Id: x"),
      problems: ["belongs to one", "${requestId}"],
    },
    { route: set("requestHeaders", 'X-A: "€"'), problems: ["no characters above U+00FF"] },
    { route: set("requestHeaders", 'X-A: "\\0"'), problems: ["no line ends and no control"] },
    { route: set("requestHeaders", '"a b": x'), problems: ["expected a header name"] },
    { route: set("requestHeaders", "X-A: x, x-a: y"), problems: ["another field of this name"] },
    { route: "requestHeaders: { remove: [X-F*, Abc*], add: { X-A: x } }, pool: main", problems: [] },
    {
      route: "requestHeaders: { remove: [X*, Via] }, pool: main",
      problems: ["at least three", "trustedProxies"],
    },
    { route: "responseHeaders: { remove: [Server, Via, X-Request-Id] }, pool: main", problems: [] },
    { route: "responseHeaders: { remove: [Content-Length] }, pool: main", problems: ["frames the message"] },
    { route: set("responseHeaders", "Set-Cookie: a, Alt-Svc: b"), problems: ["use add", "use http3"] },
    { route: "responseHeaders: { add: { Set-Cookie: a } }, pool: main", problems: [] },
    { route: set("responseHeaders", "Strict-Transport-Security: max-age=1"), problems: [] },
    {
      route: set("responseHeaders", "Strict-Transport-Security: max-age=1"),
      rest: "listen: { tls: { cert: c, key: k } }",
      problems: ["listen.tls.cert", "listen.tls.key", "use tls.hsts"],
    },
    {
      route: set("requestHeaders", `X-A: ${"a".repeat(4_090)}, X-B: ${"b".repeat(4_090)}`),
      problems: ["requestHeaders with its profiles has 8194 bytes"],
    },
  ])("%j", expectProblems);

  test("profiles and defaults count too, where they stand", () =>
    expectProblems({
      route: `use: big, requestHeaders: { set: { X-A: ${"a".repeat(4_090)} } }, pool: main`,
      rest: `profiles: { big: { requestHeaders: { add: { X-B: ${"b".repeat(4_090)} } } } }
defaults: { requestHeaders: { set: { Host: x } } }`,
      problems: ["defaults.requestHeaders.set.Host at evenkeel.yaml:3:", "has 8203 bytes"],
    }));
});

describe("variables of routes", () => {
  test.each<Case>([
    {
      route: set("requestHeaders", 'X-I: "${clinet}"'),
      problems: ['unknown variable ${clinet} (received "${clinet}"); did you mean "${client}"?'],
    },
    { route: set("requestHeaders", 'X-I: "${tls.subjct}"'), problems: ['did you mean "${tls.subject}"?'] },
    { route: set("requestHeaders", 'X-I: "${upstream}"'), problems: ["only in responses"] },
    { route: set("responseHeaders", 'X-I: "${upstream}"'), problems: [] },
    { route: set("requestHeaders", 'X-I: "${tls.sni}"'), problems: [] },
    {
      route: set("requestHeaders", 'X-I: "${tls.sni}"'),
      rest: "engine: fetch",
      problems: ["use the wire engine"],
    },
    { route: set("requestHeaders", 'X-I: "a ${client"'), problems: ["${ has no }"] },
    { route: set("requestHeaders", 'X-I: "${header.X_Forwarded-For}"'), problems: [] },
    {
      route: set("requestHeaders", 'X-I: "${header.X-Forwarded-For}"'),
      problems: ['did you mean "${client}"?'],
    },
    { route: `path: "/u/{id}", ${set("requestHeaders", 'X-I: "${path.id}"')}`, problems: [] },
    {
      route: `path: "/u/{id}", ${set("requestHeaders", 'X-I: "${path.idd}"')}`,
      problems: ['did you mean "${path.id}"?'],
    },
    {
      route: "use: p, pool: main",
      rest: 'profiles: { p: { requestHeaders: { set: { X-I: "${path.id}" } } } }',
      problems: ["routes[0] at evenkeel.yaml:3:10: profiles.p.requestHeaders.set.X-I has ${path.id}"],
    },
  ])("%j", expectProblems);
});

describe("paths of routes", () => {
  test.each<Case>([
    { route: "path: /api, stripPrefix: true, addPrefix: /v2, pool: main", problems: [] },
    { route: "path: /a/b, stripPrefix: /a, pool: main", problems: [] },
    { route: 'path: "/a/{id}/b", stripPrefix: "/a/{id}", pool: main', problems: [] },
    { route: "stripPrefix: true, pool: main", problems: ["nothing to cut: routes[0] has no path"] },
    { route: "path: /, stripPrefix: true, pool: main", problems: ["nothing to cut"] },
    {
      route: "path: /api, stripPrefix: /ap, pool: main",
      problems: ["expected a beginning of the path /api"],
    },
    {
      route: "path: /a, stripPrefix: true, rewrite: { path: /x }, pool: main",
      problems: ["only one of stripPrefix and rewrite.path"],
    },
    {
      route: "path: /a, addPrefix: /b, rewrite: { path: /x }, pool: main",
      problems: ["only one of addPrefix and rewrite.path"],
    },
    {
      route: "path: /a, use: p, rewrite: { path: /x }, pool: main",
      rest: "profiles: { p: { stripPrefix: true } }",
      problems: ["profiles.p.stripPrefix at evenkeel.yaml:2:"],
    },
    {
      route: "path: /a, use: p, stripPrefix: null, rewrite: { path: /x }, pool: main",
      rest: "profiles: { p: { stripPrefix: true } }",
      problems: [],
    },
    { route: "addPrefix: //x, pool: main", problems: ["names a host"] },
    { route: 'rewrite: { path: "/x?y" }, pool: main', problems: ["use rewrite.query"] },
    {
      route: 'path: "/{id}", rewrite: { path: "/${path.ix}/${path}" }, pool: main',
      problems: ['did you mean "${path.id}"?'],
    },
    { route: 'rewrite: { path: "/${header.x}" }, pool: main', problems: ["may not decide the path"] },
    { route: "rewrite: { host: a/b }, pool: main", problems: ["expected a host name with an optional port"] },
    { route: "rewrite: { host: upstream }, pool: main", problems: [] },
    { route: 'rewrite: { host: "[::1]:80" }, pool: main', problems: [] },
    { route: 'rewrite: { query: { set: { v: "${nope}" } } }, pool: main', problems: ["rewrite.query.set.v"] },
  ])("%j", expectProblems);
});

describe("answers of routes", () => {
  test.each<Case>([
    { route: 'redirect: "https://a.test${target}"', problems: [] },
    { route: 'redirect: "https://${host}/"', problems: ["an open redirect"] },
    {
      route: 'redirect: { to: "https://${host}:8443${path}" }',
      problems: ["routes[0].redirect.to at evenkeel.yaml:3:"],
    },
    { route: 'host: a.test, redirect: "https://${host}:8443${path}"', problems: [] },
    {
      route: 'path: "/{x}", redirect: "https://a.test${path.x}"',
      problems: ["variables could decide which host"],
    },
    { route: 'path: "/{x}", redirect: "https://a.test/${path.x}"', problems: [] },
    {
      route: 'path: "/{x}", redirect: "https://${path.x}/"',
      problems: ["variables could decide which host"],
    },
    { route: 'redirect: "https://a.test@${host}/"', problems: ["variables could decide which host"] },
    { route: "redirect: //evil.test", problems: ["names a host"] },
    { route: 'redirect: "/${header.x}"', problems: ["may not decide where a client is sent"] },
    { route: 'redirect: "/${path.x}"', problems: ["no parameter for ${path.x}"] },
    { route: "respond: { status: 204, text: x }", problems: ["has no body; leave out text"] },
    { route: "respond: { status: 204 }", problems: [] },
    { route: "respond: { text: a, json: {} }", problems: ["only one of text and json"] },
    { route: "respond: { file: f.bin }", problems: ["no text in UTF-8"] },
    { route: "respond: { file: f.html }", problems: [] },
    { route: 'cors: { origins: ["*"] }, pool: main', problems: [] },
    { route: 'cors: { origins: ["*"], credentials: true }, pool: main', problems: ["name the origins"] },
    {
      route: "use: p, pool: main",
      rest: 'profiles: { p: { cors: { origins: ["null"], credentials: true } } }',
      problems: ["profiles.p.cors.origins[0]"],
    },
  ])("%j", expectProblems);
});

describe("profiles of routes", () => {
  const profiles = "profiles: { staff: { allow: [10.0.0.0/8] }, none-of: { use: staff } }";
  const unknown = "unknown profile";
  test.each<Case>([
    { route: "use: staff, pool: main", rest: profiles, problems: [] },
    { route: "use: [none-of, staff], pool: main", rest: profiles, problems: [] },
    { route: "use: none, pool: main", rest: `${profiles}\ndefaults: { use: staff }`, problems: [] },
    { route: "use: none, pool: main", problems: [] },
    {
      route: "use: staf, pool: main",
      rest: profiles,
      problems: [
        'routes[0].use at evenkeel.yaml:3:17: unknown profile (received "staf"); did you mean "staff"?',
      ],
    },
    {
      route: "use: [staff, other], pool: main",
      rest: profiles,
      problems: ["routes[0].use[1] at evenkeel.yaml:3:25: unknown profile; expected one of staff, none-of"],
    },
    { route: "use: [none, staff], pool: main", rest: profiles, problems: ["routes[0].use[0]"] },
    { route: "use: toString, pool: main", rest: profiles, problems: [unknown] },
    {
      rest: "defaults: { use: staff }",
      problems: ["defaults.use at evenkeel.yaml:2:18: unknown profile; there is none"],
    },
    { rest: "profiles: { a: { use: none } }", problems: [unknown] },
    {
      rest: "profiles: { a: { use: b }, b: { use: [c, a] }, c: { use: c } }",
      problems: [
        "profiles.b.use[1] at evenkeel.yaml:2:42: the profiles use each other: a, b, a; leave it out",
        "profiles.c.use at evenkeel.yaml:2:58: the profiles use each other: c, c; leave it out",
      ],
    },
  ])("%j", (given) => expectProblems(given));
});

test("defaults stay apart from the routes that they are merged into", () => {
  const file = `${pools}
defaults: { responseHeaders: { set: { X-A: a } } }
routes: [{ path: /a, pool: main }, { path: /b, use: none, pool: main }]`;
  const { text } = parsed("check", { argv: "check", files: { "evenkeel.yaml": file } });
  const again = parsed("check", { argv: "check", files: { "evenkeel.yaml": text } });
  const [first, second] = again.config.routes;
  expect(first?.settings).toEqual({ responseHeaders: { set: { "X-A": "a" } } });
  expect(second?.settings).toEqual({});
  expect(again.config.defaults?.settings).toEqual({ responseHeaders: { set: { "X-A": "a" } } });
});
