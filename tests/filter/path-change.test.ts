import { describe, expect, test } from "bun:test";

import { createPathChange, type PathChangeSettings } from "../../src/filter/path-change.ts";
import { createRedirect } from "../../src/filter/redirect.ts";
import { beginsWith, parametersIn, pathSegmentsOf, type RoutePath } from "../../src/filter/path-segments.ts";
import type { FilterVerdict } from "../../src/proxy/filter.ts";
import { type FilteredRequestOptions, filteredRequest } from "../support/filtered-request.ts";

/** What the upstream is asked for; the reason where the request is refused. */
function changed(
  settings: PathChangeSettings,
  path: RoutePath | undefined,
  target: string,
  options: FilteredRequestOptions = {},
): string | undefined {
  const request = filteredRequest({ ...options, target });
  const verdict = createPathChange(settings, path)?.admit(request) as FilterVerdict;
  return verdict ? verdict.reason : request.upstreamTarget;
}

const prefix = (text: string): RoutePath => ({ kind: "prefix", text });

describe("a prefix is cut", () => {
  test.each([
    ["/api", "/api", "/"],
    ["/api", "/api/", "/"],
    ["/api", "/api?a=/api", "/?a=/api"],
    ["/api", "/api/x?y=%2F", "/x?y=%2F"],
    ["/api/", "/api/x", "/x"],
    ["/api", "/%61p%69/%61", "/%61"],
    ["/a%2Db", "/a-b/x", "/x"],
    ["/a-b", "/a%2Db/x", "/x"],
    ["/é", "/%c3%a9/x", "/x"],
    ["/é", "/\xc3\xa9/x", "/x"],
    ["/a/b", "/a/b/c", "/c"],
    ["/api", "/api/group%2Frepo", "/group%2Frepo"],
    ["/api", "/api//evil.test/", "path_ambiguous"],
    ["/api", "/api/\\evil.test/", "path_ambiguous"],
    ["/api", "//api/x", "path_ambiguous"],
    ["/api", "/x/../api/y", "path_ambiguous"],
    ["/api", "/./api/y", "path_ambiguous"],
    ["/api", "/x/%2e%2e/api/y", "path_ambiguous"],
    ["/api", "*", undefined],
  ])("%s of %s", (path, target, expected) =>
    expect(changed({ stripPrefix: true }, prefix(path), target)).toBe(expected),
  );

  test.each([
    ["/u/{id}", "/u/7%20/photos", "/photos", "/u/7%20"],
    ["/u/{id}/{rest...}", "/u/7/a//b", "/a//b", "/u/7"],
    ["/u/{{id}/x", "/u/{id}/x/y", "/y", "/u/{id}/x"],
    ["/u/{id}", "/u//photos", "path_ambiguous", undefined],
  ])("that a template matches: %s of %s", (text, target, expected, cut) => {
    const request = filteredRequest({ target });
    const verdict = createPathChange({ stripPrefix: true }, { kind: "template", text })?.admit(request);
    expect((verdict as FilterVerdict)?.reason ?? request.upstreamTarget).toBe(expected);
    expect(request.upstreamFields).toEqual(cut === undefined ? [] : [["X-Forwarded-Prefix", cut]]);
    expect(request.hiddenNames.has("x_forwarded.prefix")).toBe(cut !== undefined);
  });

  test("whole where the route takes this path alone", () =>
    expect(changed({ stripPrefix: true }, { kind: "exact", text: "/a/b" }, "/a/b?q")).toBe("/?q"));

  test("behind what a trusted peer has cut, and no other", () => {
    const told = (isPeerTrusted: boolean) => {
      const request = filteredRequest({
        target: "/api",
        isPeerTrusted,
        headers: { "x-forwarded-prefix": "/evil" },
      });
      void createPathChange({ stripPrefix: true }, prefix("/api"))?.admit(request);
      return request.upstreamFields[0]?.[1];
    };
    expect([true, false].map(told)).toEqual(["/evil, /api", "/api"]);
  });
});

describe("another path is written", () => {
  test.each([
    [{ addPrefix: "/v2" }, "/x?y", "/v2/x?y"],
    [{ addPrefix: "/v2/" }, "/", "/v2/"],
    [{ addPrefix: "/" }, "/x", "/x"],
    [{ rewrite: { path: "/users/${path.id}" } }, "/u/7%2F?q=1", "/users/7%2F?q=1"],
    [{ rewrite: { path: "/é${path.id}" } }, "/u", "/%C3%A97%2F"],
    [{ rewrite: { path: "${path.rest}" } }, "/u", "/a/b"],
    [{ rewrite: { path: "/${path.slash}" } }, "/u", "path_ambiguous"],
    [{ rewrite: { path: `/${"x".repeat(8_192)}` } }, "/u", "request_too_large"],
    [{ rewrite: { host: "new.test" } }, "/u?x", undefined],
  ] as const)("%j of %s", (settings, target, expected) =>
    expect(changed(settings, undefined, target, { captures: { id: "7%2F", rest: "a/b", slash: "/b" } })).toBe(
      expected,
    ),
  );

  test("with the query that the route says", () => {
    const set = { v: "${path.id}&=", "a b": "${header.x}", c: "ü%" };
    const settings = { rewrite: { query: { remove: ["utm_source"], set } } };
    const options = { captures: { id: "7%20&x=1" }, headers: { x: "50% é&" } };
    const written = "v=7%20%26x%3D1%26%3D&a%20b=50%25%20%E9%26&c=%C3%BC%25";
    expect(changed(settings, undefined, "/p?a=%2F&utm%5Fsource=1&v=0&%76=0&a+b=2&&b", options)).toBe(
      `/p?a=%2F&&b&${written}`,
    );
    expect(changed(settings, undefined, "/p", options)).toBe(`/p?${written}`);
    expect(changed({ rewrite: { query: { remove: ["a"] } } }, undefined, "/p?a&a=1")).toBe("/p");
  });
});

test("segments and parameters of configured paths", () => {
  expect(parametersIn("/u/{id}/x{no}/{rest...}")).toEqual(["id", "rest"]);
  expect(pathSegmentsOf({ kind: "template", text: "/u/{id}/b/{rest...}" })).toEqual(["u", undefined, "b"]);
  expect(beginsWith(["a", undefined], ["a"])).toBe(true);
  expect(beginsWith(["a"], ["a", "b"])).toBe(false);
  expect(beginsWith(["api"], ["ap"])).toBe(false);
});

describe("a redirect", () => {
  const locationOf = (to: string, target: string, options: FilteredRequestOptions = {}) => {
    const verdict = createRedirect({ to }).admit(filteredRequest({ ...options, target })) as FilterVerdict;
    return verdict?.reply?.headers[0]?.[1] ?? verdict?.reason;
  };

  test.each([
    ["/new", "/old?x=1", "/new?x=1"],
    ["/new?a", "/old?x=1", "/new?a"],
    ["/new?${query}&b=1", "/old?x=1", "/new?x=1&b=1"],
    ["/new#part", "/old?x=1", "/new?x=1#part"],
    ["https://b.test${target}", "/a%2Fb?x", "https://b.test/a%2Fb?x"],
    ["https://b.test${target}", "*", "https://b.test/"],
    ["https://${host}/x", "/old", "https://a.test/x"],
    ["/über", "/old", "/%C3%BCber"],
    ["/${path.rest}", "/old", "path_ambiguous"],
    ["/${path.back}", "/old", "path_ambiguous"],
    ["${path.name}", "/old", "path_ambiguous"],
    ["${path}/", "//evil.test", "path_ambiguous"],
  ])("to %s of %s", (to, target, expected) =>
    expect(
      locationOf(to, target, { captures: { rest: "/evil.test", back: "\\evil.test", name: "https:x" } }),
    ).toBe(expected),
  );
});
