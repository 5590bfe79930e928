import { describe, expect, test } from "bun:test";

import { warningsIn } from "../../src/config/load.ts";
import { planSteps } from "../../src/control/plan.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const pools = "pools: { main: { upstreams: [http://10.0.0.1:80] } }\n";
const bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const hiddenPart = "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const inputOf = (argv: string, text: string, more: Readonly<Record<string, string>> = {}) => ({
  argv,
  files: { "evenkeel.yaml": pools + text, ...more },
});
const problemsIn = (text: string, more?: Readonly<Record<string, string>>) =>
  problemsOf(inputOf("check", text, more));

const route = (settings: string) => `routes: [{ pool: main, ${settings} }]\n`;

describe("basicAuth", () => {
  test("needs users, each name once, with hashes that are slow to guess", () => {
    expect(problemsIn(route("basicAuth: {}"))).toEqual([
      "Cannot use routes[0].basicAuth at evenkeel.yaml:2:35: expected users, usersFile or both.",
    ]);
    const user = (name: string, hash: string) => `{ name: ${name}, passwordHash: "${hash}" }`;
    const twice = route(`basicAuth: { users: [${user("ann", bcrypt)}, ${user("ann", bcrypt)}] }`);
    expect(problemsIn(twice)).toEqual([
      expect.stringContaining('users[1].name at evenkeel.yaml:2:146: another user has this name already (received "ann")'), // prettier-ignore
    ]);
    const weak = problemsIn(route(`basicAuth: { users: [${user("ann", "$apr1$abc$hidden")}] }`));
    expect(weak).toEqual([
      expect.stringContaining("passwordHash at evenkeel.yaml:2:72: MD5 can be guessed too fast"),
    ]);
    expect(weak[0]).toContain("htpasswd -B");
    expect(weak[0]).toContain("(received a hidden value)");
  });

  test("reads a file of users, and names its bad lines", () => {
    const text = route("basicAuth: { usersFile: users.txt }");
    expect(problemsIn(text, { "users.txt": `ann:${bcrypt}\n` })).toEqual([]);
    expect(problemsIn(text, { "users.txt": `ann:${bcrypt}\nben:{SHA}hidden=\n` })).toEqual([
      expect.stringMatching(/usersFile at evenkeel.yaml:2:48: line 2: SHA-1 can be guessed too fast; .* \(received "users.txt"\)/), // prettier-ignore
    ]);
    expect(problemsIn(text)).toHaveLength(1);
  });

  test("shows no hash: not in check, in problems, in a plan, nor where it is misplaced", () => {
    const users = `basicAuth: { users: [{ name: ann, passwordHash: "${bcrypt}" }] }`;
    const checked = parsed("check", inputOf("check", route(users))).text;
    expect(checked).toContain("(set)");
    expect(checked).not.toContain(hiddenPart);
    const configOf = (settings: string) => parsed("proxy", inputOf("proxy", route(settings))).config;
    const steps = planSteps(configOf("hedge: false"), configOf(users));
    expect(JSON.stringify(steps)).not.toContain(hiddenPart);
    const misplaced = [
      `basicAuth: { users: ["ann:${bcrypt}"] }`,
      `basicAuth: { users: { ann: "${bcrypt}" } }`,
      `basicAuth: { users: [{ name: ann, hash: "${bcrypt}" }] }`,
      `basicAuth: { users: "ann:${bcrypt}" }`,
    ];
    for (const settings of misplaced) {
      const found = problemsIn(route(settings)).join("\n");
      expect(found).not.toBe("");
      expect(found).not.toContain(hiddenPart);
    }
  });
});

test("authorization servers need plain HTTP/1.1", () => {
  const of = (pool: string) =>
    problemsOf({
      argv: "check",
      files: {
        "evenkeel.yaml": `pools: { main: { upstreams: [http://10.0.0.1:80] }, auth: ${pool} }
profiles: { staff: { forwardAuth: { pool: auth } } }
routes: [{ pool: main, use: staff }]
`,
      },
    });
  expect(of("{ upstreams: [http://10.0.0.2:80] }")).toEqual([]);
  const why = "authorization servers are asked over HTTP/1.1 without a PROXY header; leave";
  const path = "Cannot use profiles.staff.forwardAuth.pool at evenkeel.yaml:2:43";
  const http2 = [
    "{ http2: true, upstreams: [http://10.0.0.2:80] }",
    '{ upstreams: [{ url: "http://10.0.0.2:80", http2: true }] }',
  ];
  for (const pool of http2)
    expect(of(pool)).toEqual([`${path}: ${why} http2 out of the pool (received "auth").`]);
  expect(of("{ proxyProtocol: v2, upstreams: [http://10.0.0.2:80] }")).toEqual([
    `${path}: ${why} proxyProtocol out of the pool (received "auth").`,
  ]);
});

test("a limit admits requests: to refuse all there is deny", () => {
  expect(problemsIn(route("rateLimit: { rate: 0/s }"))).toEqual([
    'Cannot use routes[0].rateLimit.rate at evenkeel.yaml:2:43: expected a rate such as 100/s, 10/m or 5/h (received "0/s").',
  ]);
});

test("limits by what no request of their route has are warnings", () => {
  const warningsOf = (text: string) => warningsIn(parsed("proxy", inputOf("proxy", text)).config, 0);
  expect(warningsOf(route("rateLimit: { rate: 1/s, key: user }"))).toEqual([
    "routes[0].rateLimit: key user is never there, because the route has neither basicAuth nor forwardAuth with copy; each client has a limit instead",
  ]);
  const keys =
    "{ rate: 1/s, key: path.id, missing: refuse }, { rate: 1/s, key: tls.fingerprint }, { rate: 1/s, key: header:X }";
  expect(warningsOf(route(`path: "/a/{name}", rateLimit: [${keys}]`))).toEqual([
    "routes[0].rateLimit: key path.id is never there, because the path of the route has no {id}; all requests get 429",
    "routes[0].rateLimit: key tls.fingerprint is never there, because no listener asks for client certificates; each client has a limit instead",
  ]);
  expect(warningsOf(route('path: "/a/{id}", rateLimit: { rate: 1/s, key: path.id }'))).toEqual([]);
});

test("fields that frame a message, or that the balancer writes, cannot be written by authentication", () => {
  const auth =
    "pool: main, copy: [Remote-User, Content-Length, X-Forwarded-User], copyToClient: [Set-Cookie, Connection]";
  const found = problemsIn(
    route(`basicAuth: { usersFile: u, forward: X_Forwarded_For }, forwardAuth: { ${auth} }`),
    {
      u: `ann:${bcrypt}\n`,
    },
  );
  expect(found.map((sentence) => sentence.split(" ")[2])).toEqual([
    "routes[0].basicAuth.forward",
    "routes[0].forwardAuth.copy[1]",
    "routes[0].forwardAuth.copyToClient[1]",
  ]);
});
