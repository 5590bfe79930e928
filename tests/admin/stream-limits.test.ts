import { expect, test } from "bun:test";

import { accountsOf, startAdminStand } from "./fixture.ts";

test("one user's streams leave room for those of others", async () => {
  using stand = await startAdminStand(await accountsOf());
  const leave = new AbortController();
  const open = (bearer: string, path = "/api/stream") =>
    fetch(`http://127.0.0.1:${stand.port}${path}`, {
      headers: { Authorization: `Bearer ${bearer}` },
      signal: leave.signal,
    });
  // Two sessions of one user count together, and so do both streams.
  const sessions = [await stand.login("vera"), await stand.login("vera")];
  // Held, because a response that is collected as garbage closes its stream.
  const streams: Response[] = [];
  for (let i = 0; i < 16; i++) {
    const path = i % 3 === 0 ? "/api/requests/stream" : "/api/stream";
    streams.push(await open(sessions[i % 2] ?? "", path));
  }
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
  const refused = await open(sessions[0] ?? "");
  expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
    429,
    "10",
    { reason: "streams_full", detail: "Cannot stream: vera has 16 streams open already." },
  ]);
  expect((await open(await stand.login("otto"))).status).toBe(200);
  expect((await open("grafana-token")).status).toBe(200);
  expect((await open("s3cret")).status).toBe(200);
  expect((await stand.ask("GET", "/api/snapshot", { bearer: sessions[0] ?? "" })).status).toBe(200);
  leave.abort();
  expect(streams).toHaveLength(16);
});
