import { describe, expect, test } from "bun:test";

import { MemoryMonitor } from "../../src/control/overload.ts";
import { cgroupLimitBytes } from "../../src/runtime/node.ts";
import { FakeTime } from "../support/fake-time.ts";

function startMonitor(limit: number | undefined) {
  const time = new FakeTime();
  const memory = { rss: 100, limit, collections: 0 };
  const changes: string[] = [];
  const monitor = new MemoryMonitor({
    schedule: time.schedule,
    rssBytes: () => memory.rss,
    limitBytes: () => memory.limit,
    collect: () => void (memory.collections += 1),
    onOverloadChange: ({ shedding, rssBytes }) =>
      changes.push(`${shedding ? "shedding" : "calm"} at ${rssBytes}`),
  });
  monitor.start();
  const second = async (rss: number) => {
    memory.rss = rss;
    await time.advance(1_000);
    return changes.at(-1) ?? "nothing";
  };
  return { memory, monitor, second, changes };
}

describe("a balancer with a memory limit of 1000", () => {
  test("sheds load at the limit, until a tenth of it is free", async () => {
    const { second, memory, monitor } = startMonitor(1_000);
    expect(await second(999)).toBe("nothing");
    expect(memory.collections).toBe(0);
    expect(await second(1_000)).toBe("shedding at 1000");
    expect(await second(900)).toBe("shedding at 1000");
    expect(monitor.snapshot).toEqual({ rssBytes: 900, limitBytes: 1_000, shedding: true });
    expect(await second(899)).toBe("calm at 899");
    expect(await second(999)).toBe("calm at 899");
    expect(await second(1_001)).toBe("shedding at 1001");
  });

  test("collects garbage while it sheds load, and only then", async () => {
    const { second, memory } = startMonitor(1_000);
    for (const rss of [500, 1_200, 1_100, 1_000, 100, 100]) await second(rss);
    expect(memory.collections).toBe(3);
  });

  test("applies a changed or removed limit", async () => {
    const { second, memory, changes } = startMonitor(undefined);
    expect(await second(10 ** 12)).toBe("nothing");
    memory.limit = 500;
    expect(await second(600)).toBe("shedding at 600");
    memory.limit = undefined;
    expect(await second(600)).toBe("calm at 600");
    expect(changes).toHaveLength(2);
  });
});

describe("the limit of the control groups around the process", () => {
  const files = (texts: Readonly<Record<string, string>>) => cgroupLimitBytes((path) => texts[path]);

  test("is undefined without groups", () => {
    expect(files({})).toBeUndefined();
    expect(files({ "/proc/self/cgroup": "0::/\n" })).toBeUndefined();
    expect(files({ "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n" })).toBeUndefined();
  });

  test("is that of the container's own group, which it sees as the root", () => {
    expect(files({ "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "536870912\n" })).toBe(
      2 ** 29,
    );
  });

  test("is the lowest of a service and its slice", () => {
    expect(
      files({
        "/proc/self/cgroup": "0::/system.slice/evenkeel.service\n",
        "/sys/fs/cgroup/system.slice/memory.max": "1000000\n",
        "/sys/fs/cgroup/system.slice/evenkeel.service/memory.max": "2000000\n",
      }),
    ).toBe(1_000_000);
  });

  test("is read from version 1, whose largest number means no limit", () => {
    const cgroup = "9:name=systemd:/\n4:cpu,memory:/docker/1\n0::/\n";
    const own = "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes";
    const root = { "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
    expect(files({ "/proc/self/cgroup": cgroup, ...root, [own]: "1048576\n" })).toBe(1_048_576);
    expect(files({ "/proc/self/cgroup": cgroup, ...root })).toBeUndefined();
  });
});
