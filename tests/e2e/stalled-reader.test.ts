import { describe, expect, test } from "bun:test";

import { startLoad } from "../support/load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const served = JSON.stringify({ server: { name: "a" } });

describe("a reader of both access log and log who stops reading", () => {
  // As behind `2>&1 | collector`: the access log fills the pipe, then the process has something to say.
  test.each(["1", "2"])(
    "stops neither requests nor the end; workers: %s",
    async (workers) => {
      await using programs = new Programs();
      const origin = await startOrigin((_, socket) => void socket.write(respondWith(served)));
      const proxy = programs.start([
        ...["sh", "-c", 'exec "$@" 2>&1', "sh", ...fromBuild],
        ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--engine", "wire"],
        ...["--workers", workers, "--access-log", "stdout", "--upstreams", origin.url],
      ]);
      const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
      proxy.child.stdout?.pause();
      const load = startLoad(`${url}/${"x".repeat(1_500)}`, 8);
      await until(() => load.count > 500, "the pipe to be full");
      // Each request is a line in the log now.
      await origin.close();
      await until(() => load.failures.length > 100, "the upstream to be missed");
      const { count } = load;
      await until(() => load.count > count + 200, "the service to go on");
      await load.stop();
      expect(load.worstMs()).toBeLessThan(2_000);
      expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    },
    20_000,
  );
});
