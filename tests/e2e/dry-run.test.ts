/** `evenkeel dry-run` and `plan` of a balancer with several listeners and routes. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";

const inFolder = temporaryFolder("dry-run");

test("evenkeel dry-run shows the route of a request, and why; plan shows what an older file means now", async () => {
  await using programs = new Programs();
  const server = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const file = inFolder("evenkeel.yaml");
  writeFileSync(
    file,
    `listen: [{ name: main, host: 127.0.0.1, port: 0 }, { name: inner, host: 127.0.0.1, port: 0 }]
pools:
  main: { upstreams: [{ url: "${server.url}", name: main-1 }] }
  inside: { upstreams: [{ url: "http://127.0.0.1:9", name: inside-1 }] }
routes:
  - { host: shop.test, pool: main }
  - { host: shop.test, path: /api, header: { X-Beta: "yes" }, name: beta, pool: main }
  - { host: shop.test, path: /api, listen: inner, pool: inside }
  - { host: shop.test, path: /admin, pool: inside, deny: [192.0.2.9] }
  - { host: canary.test, split: { pools: { main: 99, inside: 1 } } }
`,
  );
  const proxy = programs.evenkeel("proxy", "--config", file, "--admin-port", "0");
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const run = async (...argv: string[]) => {
    const program = programs.start([...fromBuild, ...argv], { ADMIN_URL: admin });
    return { ...(await program.exited), out: program.stdout, err: program.stderr };
  };
  const beta = await run("dry-run", "shop.test/api/%61?b", "-H", "X-Beta: yes", "--from", "192.0.2.7");
  expect(beta.out.split("\n").map((line) => line.trimEnd().replace(/  +/g, "  "))).toEqual([
    "GET /api/%61?b for shop.test, from 192.0.2.7 over http on listener main",
    "  route  beta, routes[1]: host shop.test, path /api",
    "  path  matched as /api/a",
    "  over  routes[0]: its path is less specific",
    "  not  routes[2]: listener inner",
    "  routes[3]: path /admin",
    "  pool  main (round-robin)",
    "  result  it would go to main-1",
    "",
  ]);
  const inner = await run("dry-run", "shop.test/api", "--listener", "inner", "--json");
  expect(JSON.parse(inner.out)).toMatchObject({ route: { place: "routes[2]" }, listener: "inner" });
  const tricky = await run("dry-run", "http://shop.test/api/..%2fadmin");
  expect(tricky).toMatchObject({ code: 1, err: "" });
  expect(tricky.out).toContain("/admin → routes[3]");
  expect(tricky.out).toContain(
    "it would be refused: path_ambiguous, readings of the path lead to different routes",
  );
  const split = await run("dry-run", "canary.test", "--from", "192.0.2.7");
  expect(split.out).toMatch(/\n {2}split +main by client, at 0\.\d+ of 1\n {2}pool +main /);
  const denied = await run("dry-run", "shop.test/admin", "--from", "192.0.2.9");
  expect([denied.code, denied.out]).toEqual([
    1,
    expect.stringContaining("the filter deny would refuse it: denied"),
  ]);
  expect(await run("dry-run", "shop.test", "--listener", "inne")).toMatchObject({
    code: 2,
    err: 'Cannot use listener: expected one of main, inner (received "inne").\n',
  });
  const planned = await run("plan", "--config", file);
  expect(planned.code).toBe(0);
  expect(planned.out).toMatch(
    /^No changes\.\nnote: routes\[3\] \(host shop\.test, path \/admin\) stands below routes\[0\] /,
  );
  expect(planned.out).toContain("note: requests of no route get 404 no_route; they went to pool main before");
  await server.close();
}, 30_000);
