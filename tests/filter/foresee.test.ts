/** What filters say of a request that is not sent: the same as they would do. */

import { expect, test } from "bun:test";

import { createAllow, createDeny } from "../../src/filter/address-rule.ts";
import { createCors } from "../../src/filter/cors.ts";
import { createPathChange } from "../../src/filter/path-change.ts";
import { createRedirect } from "../../src/filter/redirect.ts";
import { createRespond } from "../../src/filter/respond.ts";
import type { RequestFilter } from "../../src/proxy/filter.ts";
import { filteredRequest } from "../support/filtered-request.ts";

const cors = createCors({ origins: ["https://app.test"] });
const preflight = { origin: "https://app.test", "access-control-request-method": "PUT" };

test("cors answers preflights, and lets all else pass", async () => {
  const asked = (method: string, headers: Readonly<Record<string, string>>) =>
    filteredRequest({ method, headers });
  for (const [method, headers, verdict] of [
    ["OPTIONS", preflight, "answers"],
    ["OPTIONS", { ...preflight, origin: "https://evil.test" }, "answers"],
    ["GET", { origin: "https://evil.test" }, "passes"],
    ["GET", {}, "passes"],
  ] as const) {
    expect(cors.foresee?.(asked(method, headers)).verdict).toBe(verdict);
    expect((await cors.admit(asked(method, headers))) !== undefined).toBe(verdict === "answers");
  }
});

const isInside = (address: string) => address.startsWith("192.0.2.");
const strip = createPathChange({ stripPrefix: true }, { kind: "prefix", text: "/api" });

test.each<[RequestFilter | undefined, target: string, client: string, verdict: string, why: string]>([
  [createDeny(isInside), "/", "192.0.2.7", "answers", "192.0.2.7 is in the list"],
  [createDeny(isInside), "/", "::1", "passes", "::1 is not in the list"],
  [createAllow(isInside), "/", "192.0.2.7", "passes", "192.0.2.7 is in the list"],
  [createAllow(isInside), "/", "::1", "answers", "::1 is not in the list"],
  [createRespond({ status: 503 }), "/", "::1", "answers", "with status 503"],
  [createRedirect({ to: "/new" }), "/a?b", "::1", "answers", "with 308 to /new?b"],
  [createRedirect({ to: "${path}" }), "//a", "::1", "answers", "with 308 to no address"],
  [strip, "/api/x?y", "::1", "passes", "the upstream is asked for /x?y"],
  [strip, "/api//x", "::1", "answers", "path_ambiguous"],
])("%p for %s from %s", async (filter, target, clientAddress, verdict, why) => {
  if (!filter) throw new Error("no filter");
  const request = () => filteredRequest({ target, clientAddress });
  const answer = await filter.admit(request());
  const refused = answer && !answer.reply && { refusal: answer.reason };
  expect(filter.foresee?.(request())).toEqual({ verdict, why, ...refused } as never);
  expect(answer !== undefined).toBe(verdict === "answers");
});
