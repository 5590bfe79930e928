import { describe, expect, test } from "bun:test";

import { Endpoints } from "../../src/net/endpoints.ts";

function endpointsAt(hostname: string, ...hosts: string[]) {
  const time = { now: 0 };
  const endpoints = new Endpoints(hostname, () => time.now);
  endpoints.replace(hosts);
  const turns = (count: number) => Array.from({ length: count }, () => endpoints.next()).join(" ");
  return { time, endpoints, turns };
}

describe("the endpoints of an upstream", () => {
  test("are the name itself until it is resolved, without the brackets of an IPv6 address", () => {
    expect(new Endpoints("api.internal").next()).toBe("api.internal");
    expect(new Endpoints("[::1]").next()).toBe("::1");
  });

  test("take turns", () => {
    const { turns } = endpointsAt("api", "10.0.0.1", "10.0.0.2", "10.0.0.3");
    expect(turns(6)).toBe("10.0.0.2 10.0.0.3 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.1");
  });

  test("pass over one that failed, for five seconds and then twice as long each time", () => {
    const { time, endpoints, turns } = endpointsAt("api", "a", "b");
    endpoints.failed("a");
    expect(turns(3)).toBe("b b b");
    time.now = 5_000;
    expect(turns(2).split(" ").toSorted().join(" ")).toBe("a b");
    endpoints.failed("a");
    time.now = 14_999;
    expect(turns(3)).toBe("b b b");
    time.now = 15_000;
    expect(turns(2)).toContain("a");
    endpoints.worked("a");
    endpoints.failed("a");
    time.now = 20_000;
    expect(turns(2)).toContain("a");
  });

  test("use the one that failed first when all of them fail", () => {
    const { time, endpoints, turns } = endpointsAt("api", "a", "b");
    endpoints.failed("b");
    time.now = 100;
    endpoints.failed("a");
    expect(turns(3)).toBe("b b b");
  });

  test("leave out what one connect has tried, down to none", () => {
    const { endpoints } = endpointsAt("api", "a", "b");
    expect(endpoints.nextExcept(["a"])).toBe("b");
    expect(endpoints.nextExcept(["a", "b"])).toBeUndefined();
  });

  test("keep the failures of hosts that stay, count answers that remove one, and ignore an empty answer", () => {
    const { endpoints, turns } = endpointsAt("api", "a", "b");
    const { generation } = endpoints;
    endpoints.failed("a");
    endpoints.replace(["c", "b", "a"]);
    expect(endpoints.generation).toBe(generation);
    expect(turns(4)).not.toContain("a");
    endpoints.replace(["b", "a"]);
    expect(endpoints.generation).toBe(generation + 1);
    expect(turns(3)).toBe("b b b");
    endpoints.replace([]);
    expect(endpoints.hosts).toEqual(["b", "a"]);
  });
});
