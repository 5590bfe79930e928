import { describe, expect, test } from "bun:test";

import { createListenerRules, type ListenerRulesOptions } from "../../src/proxy/listener-rules.ts";
import { isFailureReason } from "../../src/proxy/refusal.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { routeTable, type TestRoute } from "../support/routes.ts";

const destination = {} as Destination;
const shop: TestRoute = { host: "shop.example", destination };
const named: readonly TestRoute[] = [
  shop,
  { host: "*.example", path: "/plain", isRedirected: false, destination },
  { host: "paths.example", path: "/api", destination },
];
const unnamed: readonly TestRoute[] = [{ destination }];
const written: readonly TestRoute[] = [shop, { destination }];

interface Asked {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly peer?: string;
}

const challenges = { responseTo: (token: string) => (token === "abc" ? "abc.thumb" : undefined) };
const redirect = { port: () => 443 };

function replyTo(asked: Asked, options: Partial<ListenerRulesOptions>, routes = named) {
  const head: RequestHead = {
    method: asked.method ?? "GET",
    target: asked.target ?? "/a?b=%2F",
    host: asked.host ?? "shop.example",
    peerAddress: asked.peer ?? "192.0.2.1",
    clientAddress: "192.0.2.1",
    scheme: "http",
    listener: "main",
    header: (name) => asked.fields?.[name],
  };
  const isTrustedProxy = (address: string) => address === "10.0.0.1";
  const rules = createListenerRules({ isTrustedProxy, ...options });
  const table = routeTable(routes);
  const answer = rules?.replyTo(head, table.find(head), table);
  if (!answer) return "goes on";
  if (answer.isSilent) return "closed";
  const location = answer.reply?.headers.find(([name]) => name === "Location")?.[1];
  return `${answer.status} ${location ?? answer.reply?.body ?? answer.reason}`;
}

const acme = "/.well-known/acme-challenge/";
const proxied = { peer: "10.0.0.1", fields: { "x-forwarded-proto": "https" } };

const rows: ReadonlyArray<
  readonly [string, Asked, Partial<ListenerRulesOptions>, string, (readonly TestRoute[])?]
> = [
  ["a GET", {}, { redirect }, "301 https://shop.example/a?b=%2F"],
  ["a HEAD", { method: "HEAD" }, { redirect }, "301 https://shop.example/a?b=%2F"],
  ["a POST", { method: "POST" }, { redirect }, "308 https://shop.example/a?b=%2F"],
  ["a status of its own", {}, { redirect: { ...redirect, status: 307 } }, "307 https://shop.example/a?b=%2F"],
  ["another port", {}, { redirect: { port: () => 8443 } }, "301 https://shop.example:8443/a?b=%2F"],
  ["a host with a port", { host: "shop.example:8080" }, { redirect }, "301 https://shop.example/a?b=%2F"],
  ["upper case", { host: "SHOP.example" }, { redirect }, "301 https://SHOP.example/a?b=%2F"],
  ["the raw target", { target: "/%2e%2E//x" }, { redirect }, "301 https://shop.example/%2e%2E//x"],
  ["a path that looks like a host", { target: "//evil" }, { redirect }, "301 https://shop.example//evil"],
  ["all of the server", { method: "OPTIONS", target: "*" }, { redirect }, "308 https://shop.example"],
  ["an IPv6 address", { host: "[::1]:80", target: "/" }, { redirect }, "301 https://[::1]/", unnamed],
  ["an IPv6 address without port", { host: "[::1]", target: "/" }, { redirect }, "301 https://[::1]/", unnamed],
  ["a host that no route takes", { host: "evil.test" }, { redirect }, "404 no_route"],
  ["any host without routes", { host: "any.test", target: "/" }, { redirect }, "301 https://any.test/", unnamed],
  ["any host of a written last route", { host: "a.test", target: "/" }, { redirect }, "301 https://a.test/", written],
  ["no host", { host: "" }, { redirect }, "404 no_route", unnamed],
  ["a named host on another path", { host: "paths.example", target: "/" }, { redirect }, "301 https://paths.example/"],
  ["a route with redirect: none", { host: "a.example", target: "/plain/x" }, { redirect }, "goes on"],
  ["https at a trusted proxy", proxied, { redirect }, "goes on"],
  ["https at several proxies", { ...proxied, fields: { "x-forwarded-proto": "HTTPS, http" } }, { redirect }, "goes on"],
  ["http at a trusted proxy", { ...proxied, fields: { "x-forwarded-proto": "http" } }, { redirect }, "301 https://shop.example/a?b=%2F"],
  ["https by an untrusted peer", { ...proxied, peer: "10.0.0.2" }, { redirect }, "301 https://shop.example/a?b=%2F"],
  ["a challenge", { target: `${acme}abc` }, { challenges, redirect }, "200 abc.thumb"],
  ["a challenge of an unknown host", { target: `${acme}abc`, host: "evil.test" }, { challenges, unknownHosts: 421 }, "200 abc.thumb"],
  ["an unknown token", { target: `${acme}abd` }, { challenges }, "goes on"],
  ["an unknown token with a redirect", { target: `${acme}abd` }, { challenges, redirect }, `301 https://shop.example${acme}abd`],
  ["a POST to a challenge", { target: `${acme}abc`, method: "POST" }, { challenges }, "goes on"],
  ["a known host", {}, { unknownHosts: 421 }, "goes on"],
  ["a known host on another path", { host: "paths.example" }, { unknownHosts: "close" }, "goes on"],
  ["an unknown host", { host: "evil.test" }, { unknownHosts: 421 }, "421 unknown_host"],
  ["an unknown host that is closed", { host: "evil.test" }, { unknownHosts: "close" }, "closed"],
  ["a request without host", { host: "" }, { unknownHosts: 421 }, "421 unknown_host"],
  ["an unknown host with a redirect", { host: "evil.test" }, { redirect, unknownHosts: "close" }, "closed"],
  ["nothing to decide", { host: "evil.test" }, {}, "goes on"],
]; // prettier-ignore

describe("a listener's own answer to", () => {
  for (const [name, asked, options, expected, routes] of rows)
    test(`${name}: ${expected}`, () => expect(replyTo(asked, options, routes)).toBe(expected));

  test("a request that is right is no failure", () => {
    expect(["redirected", "challenge_answered", null].map(isFailureReason)).toEqual([false, false, false]);
    expect(isFailureReason("unknown_host")).toBe(true);
  });
});
