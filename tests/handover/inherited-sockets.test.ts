import { describe, expect, test } from "bun:test";

import {
  formatSockets,
  handoverVariable,
  InheritedSockets,
  inheritedSockets,
  type InheritedSocket,
} from "../../src/handover/inherited-sockets.ts";
import { boundSocket, isSameAddress, listeningDescriptor } from "../../src/net/listening-sockets.ts";

const socket = (fd: number, more: Partial<InheritedSocket> = {}): InheritedSocket => ({
  fd,
  name: "main",
  hostname: "0.0.0.0",
  port: 8080,
  configuredPort: 8080,
  isNamed: false,
  ...more,
});
const listener = (name: string, hostname: string, port: number) => ({ name, hostname, port });

describe("an inherited socket", () => {
  test.each([
    ["the same address", socket(4), listener("other", "0.0.0.0", 8080), true],
    ["another port", socket(4), listener("main", "0.0.0.0", 8081), false],
    ["another address", socket(4), listener("main", "127.0.0.1", 8080), false],
    ["an address in another form", socket(4, { hostname: "::1" }), listener("main", "[::1]", 8080), true],
    ["a name for the address", socket(4, { hostname: "localhost" }), listener("a", "127.0.0.1", 8080), true],
    [
      "a port of the system",
      socket(4, { configuredPort: 0, port: 40_000 }),
      listener("main", "0.0.0.0", 0),
      true,
    ],
    [
      "a port of the system, of another",
      socket(4, { configuredPort: 0 }),
      listener("two", "0.0.0.0", 0),
      false,
    ],
    [
      "the port that the system chose",
      socket(4, { configuredPort: 0 }),
      listener("two", "0.0.0.0", 8080),
      true,
    ],
    ["its name, if that decides", socket(4, { isNamed: true }), listener("main", "::", 1), true],
    ["another name, but the address", socket(4, { isNamed: true }), listener("two", "0.0.0.0", 8080), true],
  ])("with %s", (_, given, wanted, isTaken) => {
    const sockets = new InheritedSockets([given], "process");
    expect(sockets.take(wanted).length).toBe(isTaken ? 1 : 0);
    expect(sockets.left.length).toBe(isTaken ? 0 : 1);
  });

  test("is given once, and a listener gets all of its sockets", () => {
    const sockets = new InheritedSockets(
      [socket(4), socket(5), socket(6, { port: 9, configuredPort: 9 })],
      "process",
    );
    expect(sockets.take(listener("a", "0.0.0.0", 8080)).map(({ fd }) => fd)).toEqual([4, 5]);
    expect(sockets.take(listener("b", "0.0.0.0", 8080))).toEqual([]);
    expect(sockets.left.map(({ fd }) => fd)).toEqual([6]);
  });

  test("is named again in the next process only if its name decided", () => {
    const sockets = new InheritedSockets([socket(4, { isNamed: true })], "systemd");
    sockets.take(listener("main", "::", 1));
    expect([sockets.isNamed("main"), sockets.isNamed("other")]).toEqual([true, false]);
  });

  test("crosses in a variable, of which rubbish is ignored", () => {
    const sockets = [socket(4), socket(5, { name: "two", isNamed: true })];
    const read = inheritedSockets({ [handoverVariable]: formatSockets(sockets, [4, 5]) }, 1);
    expect(read?.left).toEqual(sockets);
    for (const text of ["", "7", "{}", '[{"fd":"4"}]', "[null, 7]"])
      expect(inheritedSockets({ [handoverVariable]: text }, 1)?.left).toEqual([]);
  });

  test("of systemd is for one process, and counts from 3", () => {
    const given = { LISTEN_FDS: "2", LISTEN_PID: "77", LISTEN_FDNAMES: "main:web" };
    expect(inheritedSockets(given, 78)).toBeUndefined();
    expect(inheritedSockets({ ...given, LISTEN_FDS: "x" }, 77)).toBeUndefined();
    expect(inheritedSockets({}, 77)).toBeUndefined();
    const sockets = inheritedSockets(given, 77);
    expect(sockets?.left.map(({ fd, name }) => [fd, name])).toEqual([
      [3, "main"],
      [4, "web"],
    ]);
    expect(sockets?.source).toBe("systemd");
    // A number that is not true must not keep the process from its start.
    const startedAt = performance.now();
    expect(inheritedSockets({ ...given, LISTEN_FDS: "1000000" }, 77)?.left).toHaveLength(4_096);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe("the listening sockets of this process", () => {
  test.each(["127.0.0.1", "0.0.0.0", "::1", "::"])("are found on %s", async (hostname) => {
    const listening = Bun.listen({ hostname, port: 0, socket: { data() {} } });
    const fd = listeningDescriptor(hostname, listening.port);
    expect(fd).toBe((listening as { fd?: number }).fd);
    expect(boundSocket(fd ?? -1)).toEqual({ fd: fd ?? -1, address: hostname, port: listening.port });
    listening.stop(true);
    expect(listeningDescriptor(hostname, listening.port)).toBeUndefined();
    expect(boundSocket(0)).toBeUndefined();
  });

  test.each([
    ["::ffff:127.0.0.1", "127.0.0.1", true],
    ["0:0:0:0:0:0:0:1", "::1", true],
    ["::", "0.0.0.0", false],
    ["fe80::1%eth0", "fe80::1%eth0", true],
  ])("compares %s with %s", (left, right, isSame) => expect(isSameAddress(left, right)).toBe(isSame));
});
