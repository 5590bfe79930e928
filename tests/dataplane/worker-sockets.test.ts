import { describe, expect, test } from "bun:test";

import { type SocketHolder, WorkerSockets } from "../../src/dataplane/worker-sockets.ts";
import type { ListeningSocket } from "../../src/net/listening-sockets.ts";

const listeners = [
  { name: "main", hostname: "0.0.0.0", port: 0 },
  { name: "two", hostname: "127.0.0.1", port: 9 },
];

/** @param sharing how many sockets a port may have: 0 where the system cannot hold them */
function setUp(workers: number, sharing = Infinity) {
  let next = 10;
  const open = new Map<number, number>();
  const holder: SocketHolder = {
    claimPort: async (_, port) => port || 4_711,
    async hold(_, port) {
      if (sharing === 0) return undefined;
      if ([...open.values()].filter((other) => other === port).length >= sharing)
        throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
      open.set((next += 1), port);
      return { fd: next, port };
    },
    close: (fd) => void open.delete(fd),
  };
  const sockets = new WorkerSockets(holder, workers);
  const fdsOf = (worker: number) => sockets.of(worker).map(({ name, fd }) => `${name} ${fd}`);
  return { sockets, open, fdsOf };
}

const none = (): readonly ListeningSocket[] => [];

describe("the sockets of workers", () => {
  test("are one of each listener for each worker", async () => {
    const { sockets, fdsOf, open } = setUp(2);
    expect(await sockets.open(listeners, none)).toEqual([4_711, 9]);
    expect([fdsOf(0), fdsOf(1)]).toEqual([
      ["main 11", "two 13"],
      ["main 12", "two 14"],
    ]);
    expect(sockets.all?.map((all) => all.map(({ fd }) => fd))).toEqual([
      [11, 12],
      [13, 14],
    ]);
    sockets.close();
    expect(open.size).toBe(0);
    expect(fdsOf(0)).toEqual([]);
  });

  test("are none where the system cannot hold them: workers open their own, and nothing is handed over", async () => {
    const { sockets, fdsOf } = setUp(2, 0);
    expect(await sockets.open(listeners, none)).toEqual([4_711, 9]);
    expect(fdsOf(0)).toEqual([]);
    expect(sockets.all).toBeUndefined();
  });

  test("of a single process are shared by all workers", async () => {
    const { sockets, fdsOf, open } = setUp(3, 0);
    const [main] = listeners.map((_, index) => [{ fd: 4 + index, port: 80 + index }]);
    await sockets.open(listeners.slice(0, 1), () => main ?? []);
    expect([fdsOf(0), fdsOf(1), fdsOf(2)]).toEqual([["main 4"], ["main 4"], ["main 4"]]);
    // One that cannot start must not take the socket of the others.
    await sockets.renew(1);
    expect(fdsOf(0)).toEqual(["main 4"]);
    expect(open.size).toBe(0);
  });

  test("of more workers are all accepted from; of fewer, the rest is opened", async () => {
    const inherited = [4, 5, 6].map((fd) => ({ fd, port: 80 }));
    const fewer = setUp(2);
    expect(await fewer.sockets.open(listeners.slice(0, 1), () => inherited)).toEqual([80]);
    expect([fewer.fdsOf(0), fewer.fdsOf(1)]).toEqual([["main 4", "main 6"], ["main 5"]]);
    const more = setUp(4);
    await more.sockets.open(listeners.slice(0, 1), () => inherited);
    expect(more.fdsOf(3)).toEqual(["main 11"]);
  });

  test("of a worker that cannot start are replaced, so that the kernel sends new connections to the others", async () => {
    const { sockets, fdsOf, open } = setUp(2);
    await sockets.open(listeners.slice(0, 1), none);
    await sockets.renew(0);
    expect([fdsOf(0), fdsOf(1)]).toEqual([["main 13"], ["main 12"]]);
    expect([...open.keys()]).toEqual([12, 13]);
    await sockets.renew(1);
    expect([fdsOf(0), fdsOf(1)]).toEqual([["main 13"], ["main 14"]]);
  });
});
