/** What the source of Docker's containers does, against a scripted daemon on real sockets. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { DockerSettings } from "../../src/config/docker-source.ts";
import { createDockerSource } from "../../src/discovery/docker-source.ts";
import { container, FakeDockerDaemon } from "../support/docker-daemon.ts";
import { until } from "../support/wait.ts";
import { contextAt, type SourceLaw, SourceRun } from "./source-run.ts";

interface Setup {
  readonly daemon: FakeDockerDaemon;
  readonly run: (speed?: number, change?: Partial<DockerSettings>) => SourceRun;
}

/** A daemon with one container, on a unix socket of its own. */
async function withDaemon(check: (setup: Setup) => Promise<void>, isStarted = true): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-docker-"));
  const daemon = new FakeDockerDaemon(join(folder, "docker.sock"));
  daemon.containers = [web1];
  const runs: SourceRun[] = [];
  try {
    if (isStarted) await daemon.start();
    await check({
      daemon,
      run: (speed = 10, change = {}) => {
        const source: DockerSettings = {
          kind: "docker",
          labels: ["app=web"],
          published: false,
          host: `unix://${join(folder, "docker.sock")}`,
          ...change,
        };
        const template = { protocol: "http", backup: false } as const;
        const started = new SourceRun(createDockerSource({ source, template }, contextAt(speed)));
        runs.push(started);
        return started;
      },
    });
  } finally {
    for (const run of runs) run.stop();
    await daemon.die();
    rmSync(folder, { recursive: true });
  }
}

const web1 = container("web-1", "10.0.0.1");
const web2 = container("web-2", "10.0.0.2");
const first = "10.0.0.1:8080";
const both = "10.0.0.1:8080 10.0.0.2:8080";

/** A source that has reported one container and listens to events. */
async function settled({ daemon, run }: Setup, speed?: number): Promise<SourceRun> {
  const started = run(speed);
  await started.reaches(first);
  await until(() => daemon.streams === 1, "the stream of events");
  return started;
}

export const dockerLaws: readonly SourceLaw[] = [
  {
    name: "asks for running containers with the label, and for events about them",
    check: () =>
      withDaemon(async (setup) => {
        await settled(setup);
        const list = setup.daemon.requests.find((path) => path.startsWith("/containers"));
        assert.equal(list, '/containers/json?filters={"label":["app=web"],"status":["running"]}');
        const events = setup.daemon.requests.find((path) => path.startsWith("/events")) ?? "";
        const filters = JSON.parse(events.replace("/events?filters=", ""));
        assert.deepEqual([filters.type, filters.label], [["container"], ["app=web"]]);
        for (const name of ["start", "die", "kill", "health_status"])
          assert.ok(filters.event.includes(name), name);
      }),
  },
  {
    name: "follows events at once, long before the next list is due",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup, 1);
        setup.daemon.containers = [web1, web2];
        setup.daemon.emit("start", web2);
        await run.reaches(both, 5_000);
        setup.daemon.containers = [web2];
        setup.daemon.emit("die", web1, { exitCode: "0" });
        await run.reaches("10.0.0.2:8080", 5_000);
        assert.deepEqual(run.reports, [first, both, "10.0.0.2:8080"]);
      }),
  },
  {
    name: "drains a container that is told to stop while it still runs",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        setup.daemon.containers = [web1, web2];
        setup.daemon.emit("start", web2);
        await run.reaches(both);
        setup.daemon.emit("kill", web2, { signal: "1" });
        const lists = setup.daemon.listsAsked();
        await until(() => setup.daemon.listsAsked() > lists, "a list after the reload of its configuration");
        assert.equal(run.last, both);
        setup.daemon.emit("kill", web2, { signal: "15" });
        await run.reaches(`${both};terminating`);
        setup.daemon.containers = [web1];
        setup.daemon.emit("die", web2, { exitCode: "0" });
        await run.reaches(first);
        setup.daemon.containers = [web1, web2];
        setup.daemon.emit("start", web2);
        await run.reaches(both);
      }),
  },
  {
    name: "finds what no event told within 30 s",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup, 50);
        setup.daemon.containers = [web1, web2];
        await run.reaches(both);
      }),
  },
  {
    name: "keeps the last answer while the daemon is dead, and lists again when it is back",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        // The list after the opening of the stream is over.
        await new Promise((resolve) => setTimeout(resolve, 100));
        await setup.daemon.die();
        // The next list is due in 3 s.
        await run.reaches(/^failed: .*docker\.sock: there is no such socket$/, 2_000);
        setup.daemon.containers = [web1, web2];
        await setup.daemon.start();
        await run.reaches(both);
        await until(() => setup.daemon.streams === 1, "the stream of events");
        const others = run.reports.filter((report) => !report.startsWith("failed: "));
        assert.deepEqual(others, [first, both]);
      }),
  },
  {
    name: "lists again when the stream of events breaks off, and connects it again",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        setup.daemon.containers = [web1, web2];
        setup.daemon.cut();
        await run.reaches(both);
        await until(() => setup.daemon.streams === 1, "the stream of events");
      }),
  },
  {
    name: "connects less and less often to a stream of events that ends at once",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = (request, response) => {
          if (!request.url?.startsWith("/events")) return false;
          response.end();
          return true;
        };
        const started = run(100);
        await started.reaches(first);
        const streams = () => daemon.requests.filter((path) => path.startsWith("/events")).length;
        await until(() => streams() >= 6, "some streams");
        const at = performance.now();
        await until(() => streams() >= 8, "two more streams");
        // Six seconds of its clock: after the first failure it would be one at most.
        assert.ok(performance.now() - at >= 60, "the streams follow one another too fast");
      }),
  },
  {
    name: "finds what happened before the stream of events was open",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        let openStream = () => {};
        daemon.respond = (request, response) => {
          if (!request.url?.startsWith("/events")) return false;
          openStream = () => response.flushHeaders();
          return true;
        };
        const started = run(1);
        await started.reaches(first);
        await until(
          () => daemon.requests.some((path) => path.startsWith("/events")),
          "the request for events",
        );
        daemon.containers = [web1, web2];
        openStream();
        await started.reaches(both, 5_000);
      }),
  },
  {
    name: "waits for a daemon that is not there yet",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        const started = run();
        await started.reaches(/^failed: .*there is no such socket$/);
        await daemon.start();
        await started.reaches(first);
      }, false),
  },
  {
    name: "fails, and tries again, while the daemon accepts connections and does not answer",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = () => true;
        const started = run(50);
        await started.reaches(/^failed: no answer within 10 s$/);
        daemon.respond = () => false;
        await started.reaches(first);
      }),
  },
  {
    name: "lists every 5 s where a proxy allows no events",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = (request, response) => {
          if (!request.url?.startsWith("/events")) return false;
          response.statusCode = 403;
          response.end("<html>Forbidden</html>");
          return true;
        };
        const started = run(10);
        await started.reaches(first);
        daemon.containers = [web1, web2];
        // A list each 30 s would come after 3 s.
        await started.reaches(both, 2_500);
        assert.deepEqual(started.reports, [first, both]);
      }),
  },
  {
    name: "says what a proxy has to allow",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = (_, response) => {
          response.statusCode = 403;
          response.end("<html>Forbidden</html>");
          return true;
        };
        await run().reaches(
          "failed: status 403; a proxy of the socket has to allow GET /containers/json and GET /events",
        );
      }),
  },
  {
    name: "cannot use an answer that is too large",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = (request, response) => {
          const isList = request.url?.startsWith("/containers") === true;
          if (isList) response.end(`["${"x".repeat(17 * 1_048_576)}"]`);
          return isList;
        };
        await run(1).reaches("failed: the answer has more than 16 MiB");
      }),
  },
  {
    name: "cannot use answers that are no list, broken off, or not JSON",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        const bodies: ReadonlyArray<readonly [body: string, why: RegExp]> = [
          ["{}", /^failed: the answer is no list of containers$/],
          ["[{", /^failed: the answer is not JSON$/],
          ["", /^failed: the answer is no list of containers$/],
          ["cut", /^failed: .*the connection broke off$/],
        ];
        const started = run(20);
        await started.reaches(first);
        for (const [body, why] of bodies) {
          daemon.respond = (request, response) => {
            if (!request.url?.startsWith("/containers")) return false;
            if (body === "cut") {
              response.writeHead(200, { "Content-Length": "100" }).write("[");
              setTimeout(() => response.destroy(), 5);
            } else response.end(body);
            return true;
          };
          await started.reaches(why);
        }
        daemon.respond = () => false;
        await started.reaches(first);
      }),
  },
  {
    name: "reads what the daemon says of an error, on one line",
    check: () =>
      withDaemon(async ({ daemon, run }) => {
        daemon.respond = (_, response) => {
          response.statusCode = 500;
          response.end(JSON.stringify({ message: `broken\n\u001b[31m${"x".repeat(1_000)}` }));
          return true;
        };
        const started = run();
        await started.reaches(/^failed: status 500, broken \[31mx{200,300}$/);
      }),
  },
  {
    name: "makes few lists of many events",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup, 1);
        const lists = setup.daemon.listsAsked();
        const startedAt = performance.now();
        for (let i = 0; i < 50; i++) {
          for (let j = 0; j < 40; j++) setup.daemon.emit("health_status: healthy", web1);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        setup.daemon.containers = [web1, web2];
        setup.daemon.emit("start", web2);
        await run.reaches(both);
        const most = 3 + (performance.now() - startedAt) / 100;
        const made = setup.daemon.listsAsked() - lists;
        assert.ok(made <= most, `${made} lists`);
      }),
  },
  {
    name: "connects again after an event that cannot be read",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        setup.daemon.write("<html>\n");
        await until(() => setup.daemon.requests.filter((path) => path.startsWith("/events")).length > 1);
        setup.daemon.write("x".repeat(300_000));
        await until(() => setup.daemon.requests.filter((path) => path.startsWith("/events")).length > 2);
        setup.daemon.write('null\n3\n{"Action":"kill"}\n{"Action":"kill","Actor":{"ID":3}}\n');
        setup.daemon.containers = [web1, web2];
        await run.reaches(both);
      }),
  },
  {
    name: "has nothing to report but that there is none, when no container is left",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        setup.daemon.containers = [];
        setup.daemon.emit("die", web1);
        await run.reaches("absent: no running and healthy container has the label app=web");
      }),
  },
  {
    name: "says why containers with the label cannot be members, and keeps the last answer if none can",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup);
        const odd = container("web-2", "10.0.0.2", { Ports: [] });
        const why = "container web-2: it exposes no TCP port; set port, or the label evenkeel.port";
        setup.daemon.containers = [web1, odd];
        setup.daemon.emit("start", odd);
        await until(() => run.skipped.length > 0, "a clause about web-2");
        assert.deepEqual([run.last, run.skipped], [first, [why]]);
        setup.daemon.containers = [odd];
        setup.daemon.emit("die", web1);
        await run.reaches(`failed: ${why}`);
      }),
  },
  {
    name: "asks over TCP too",
    check: async () => {
      await using daemon = await new FakeDockerDaemon(0).start();
      daemon.containers = [container("web-1", "10.0.0.1", { HostConfig: { NetworkMode: "host" } })];
      const source: DockerSettings = {
        kind: "docker",
        labels: ["app"],
        published: false,
        host: `tcp://localhost:${daemon.port}`,
      };
      const template = { protocol: "http", backup: false } as const;
      using run = new SourceRun(createDockerSource({ source, template }, contextAt(10)));
      // The network of the host is where the daemon is.
      await run.reaches("localhost:8080");
    },
  },
  {
    name: "reports nothing more and leaves no connection when it is stopped",
    check: () =>
      withDaemon(async (setup) => {
        const run = await settled(setup, 50);
        run.stop();
        await until(() => setup.daemon.connections === 0, "all connections to be closed");
        const [reports, requests] = [run.count, setup.daemon.requests.length];
        setup.daemon.emit("start", web2);
        await new Promise((resolve) => setTimeout(resolve, 700));
        assert.deepEqual([run.count, setup.daemon.requests.length], [reports, requests]);
      }),
  },
];
