/** Checks of routes: what no request reaches, what does not exist, and what an older file means now. */

import { describe, expect, test } from "bun:test";

import { routeNotes } from "../../src/config/route-notes.ts";
import type { RouteFile } from "../../src/config/route-schema.ts";
import { parsed, problemsOf } from "../cli/fake.ts";
import { configOf, routeConfigs } from "../support/configs.ts";

const pools = "pools: { a: { upstreams: [http://a] }, b: { upstreams: [http://b] } }";
const withRoutes = (routes: readonly string[], more = "") =>
  `${more}${pools}\nroutes:\n${routes.map((route) => `  - { ${route} }\n`).join("")}`;
const problemsIn = (routes: readonly string[], more = "") =>
  problemsOf({ argv: "proxy", files: { "evenkeel.yaml": withRoutes(routes, more) } });
const commentsOf = (text: string) =>
  parsed("check", { argv: "check", files: { "evenkeel.yaml": text } })
    .text.split("\n")
    .filter((line) => /^# (?:warning|note)/.test(line));

describe("a route that no request reaches", () => {
  test("names the one that gets its requests, with its line", () => {
    expect(
      problemsIn(["host: a.test, path: /x, pool: a", "pool: a", "host: [b.test, A.test], path: /x, pool: b"]),
    ).toEqual([
      "Cannot use routes[2] at evenkeel.yaml:5:5: no request would reach it: routes[0] (evenkeel.yaml:3) has the same host, path and conditions, and gets its requests of a.test.",
    ]);
    expect(
      problemsIn(["method: [GET, POST], pool: a", "pool: a", "method: GET, header: { x-v: '1' }, pool: b"]),
    ).toEqual([
      "Cannot use routes[2] at evenkeel.yaml:5:5: no request would reach it: routes[0] (evenkeel.yaml:3) gets all of its requests.",
    ]);
  });

  test.each<[string, ...string[]]>([
    ["pool: a", "path: /, pool: b"],
    ["path: '/u/{id}', pool: a", "path: '/u/{name}', pool: b"],
    ["path: '/u/{rest...}', pool: a", "path: /u/, pool: b"],
    ["path: /%61, pool: a", "path: /a, pool: b"],
    ["method: READ, pool: a", "method: [OPTIONS, HEAD, GET], pool: b", "pool: b"],
    ["header: { x-a: true }, pool: a", "header: { X-A: '1', X-B: '2' }, pool: b", "pool: b"],
    ["query: { a: false }, pool: a", "query: { a: false, b: '1' }, pool: b", "pool: b"],
    ["client: [10.0.0.0/8], pool: a", "client: [10.0.0.0/8], cookie: { x: true }, pool: b", "pool: b"],
  ])("is found: %s", (...routes) => {
    expect(problemsIn(routes)).toHaveLength(1);
  });

  test.each<[string, ...string[]]>([
    ["pool: a", "path: { exact: / }, pool: b"],
    ["path: /u, pool: a", "path: /u/, pool: b"],
    ["path: '/u/{rest...}', pool: a", "path: /u, pool: b"],
    ["pool: a", "method: GET, pool: b"],
    ["header: { x-a: '1' }, pool: a", "header: { X-A: ['1', '2'] }, pool: b", "pool: b"],
    ["header: { x-a: '1' }, pool: a", "header: { X-A: true }, pool: b", "pool: b"],
    ["header: { x-a: '1' }, pool: a", "query: { x-a: '1' }, pool: b", "pool: b"],
    ["host: a.test, pool: a", "host: '*.test', pool: b", "pool: b"],
  ])("is not one: %s", (...routes) => {
    expect(problemsIn(routes)).toEqual([]);
  });
});

test("a template that cannot be read is a problem at its path", () => {
  const problemOf = (path: string) =>
    problemsIn([`path: '${path}', pool: a`]).map((text) => text.replace(/ \(received.*/, ""));
  const at = "Cannot use routes[0].path at evenkeel.yaml:3:13: ";
  expect(problemOf("/a/{id")).toEqual([
    `${at}a brace is not closed or not opened; write {{ and }} for braces`,
  ]);
  expect(problemOf("/a/id}/b")).toEqual([
    `${at}a brace is not closed or not opened; write {{ and }} for braces`,
  ]);
  expect(problemOf("/a/x{id}")).toEqual([
    `${at}a parameter must be a whole segment between slashes; write {{ and }} for braces`,
  ]);
  expect(problemOf("/a/{}")).toEqual([`${at}a parameter has no name`]);
  expect(problemOf("/a/{...}")).toEqual([`${at}a parameter has no name`]);
  expect(problemOf("/a/{1x}")).toEqual([
    `${at}{1x} must have a name of letters, digits and _ that starts with a letter`,
  ]);
  expect(problemOf("/{id}/{id}")).toEqual([`${at}it has two parameters with the name id`]);
  expect(problemOf("/{rest...}/b")).toEqual([
    `${at}{rest...} takes the rest of the path and must be its end`,
  ]);
  expect(problemOf("/{rest...}/")).toEqual([`${at}{rest...} takes the rest of the path and must be its end`]);
  expect(problemOf("/a{{b}}/{id}/{rest...}")).toEqual([]);
});

test("an unknown listener is a problem with a suggestion", () => {
  const listen = "listen:\n  - { name: main }\n  - { port: 81 }\n  - { name: inner, port: 82 }\n";
  expect(problemsIn(["listen: mian, pool: a", "listen: [listen-2, iner], pool: b"], listen)).toEqual([
    'Cannot use routes[0].listen at evenkeel.yaml:7:15: unknown listener (received "mian"); did you mean "main"?',
    'Cannot use routes[1].listen[1] at evenkeel.yaml:8:26: unknown listener (received "iner"); did you mean "inner"?',
  ]);
  expect(problemsIn(["listen: zzzzzzz, pool: a", "pool: b"])).toEqual([
    'Cannot use routes[0].listen at evenkeel.yaml:3:15: unknown listener; expected one of main (received "zzzzzzz").',
  ]);
});

describe("check", () => {
  test("warns where a condition on clients protects nothing", () => {
    const routes = [
      "host: a.test, path: '/admin/{x}', client: [10.0.0.0/8], method: POST, query: { v: '1' }, pool: a",
      "host: a.test, pool: b",
    ];
    expect(commentsOf(withRoutes(routes)).filter((line) => line.startsWith("# warning"))).toEqual([
      "# warning: routes[0]: clients outside its client list get routes[1], which leads to pool b; a condition chooses a route and protects nothing, so use allow to refuse them",
    ]);
    const harmless = [
      ["host: a.test, client: [10.0.0.0/8], pool: a", "host: a.test, pool: a"],
      ["host: a.test, client: [10.0.0.0/8], pool: a", "host: b.test, pool: b"],
      ["host: a.test, client: [10.0.0.0/8], method: PUT, pool: a", "host: a.test, method: GET, pool: b"],
    ];
    for (const list of harmless)
      expect(commentsOf(withRoutes(list)).filter((line) => line.startsWith("# warning"))).toEqual([]);
  });

  const takes = (route: string, other: string) =>
    `# note: ${route} stands below ${other}, which took their common requests while the first matching route applied; it is more specific and takes them now`;

  test("says which routes take other requests than in the order of the file", () => {
    const file = withRoutes([
      "path: /health, pool: a", "host: a.test, pool: b", "host: a.test, path: /api, pool: a", "host: a.test, path: /api/v2, pool: b", "pool: a",
    ]); // prettier-ignore
    expect(commentsOf(file)).toEqual([
      takes("routes[1] (host a.test)", "routes[0] (path /health)"),
      takes("routes[2] (host a.test, path /api)", "routes[1] (host a.test)"),
    ]);
    const wild = ["host: '*.b.test', pool: a", "host: x.b.test, pool: b", "pool: b"];
    expect(commentsOf(withRoutes(wild))).toEqual([
      takes("routes[1] (host x.b.test)", "routes[0] (host *.b.test)"),
    ]);
    expect(
      commentsOf(
        withRoutes(wild.toReversed().slice(1)).replace("routes:", "routes:\n  - { pool: b, path: / }"),
      ),
    ).toEqual([takes("routes[2] (host *.b.test)", "routes[0] (path /)")]);
  });

  test("says in a plan alone where requests without a route went: for a new file it is no news", () => {
    const notesOf = (routes: readonly RouteFile[]) =>
      routeNotes(configOf("a: x | b: y", { routes: routeConfigs(routes) }));
    expect(notesOf([{ host: "a.test", pool: "b" }])).toEqual([
      "requests of no route get 404 no_route; they went to pool a before: add { pool: a } as a route to keep that",
    ]);
    expect(notesOf([{ pool: "a" }])).toEqual([]);
    expect(
      notesOf([
        { host: "a.test", pool: "b" },
        { path: "/", pool: "a" },
      ]),
    ).toEqual([]);
    expect(commentsOf(withRoutes(["host: a.test, pool: b"]))).toEqual([]);
  });
});
